"""What the probabilities of a set of images say: IoU by threshold, and how often they come true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecell_monai.sample import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 100  #: thresholds are multiples of 1 / STEPS
BINS = 10  #: of the calibration, equally wide
ENOUGH = 200  # pixels below which a bin says nothing
COLOURS = {"validation": "#0072B2", "test": "#D55E00"}  # blue and vermillion of Okabe & Ito
DASHES = {"validation": "-", "test": "--"}


@dataclass
class Probabilities:
    """How the probabilities of several images are spread over foreground and background.

    Attributes:
        counts: for each image (2, STEPS + 1): pixels of background and of foreground by floor(probability * STEPS).
    """

    counts: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, probability: Pixels, truth: Pixels) -> None:
        """Take up one image.

        Args:
            probability: (Y, X) in [0, 1].
            truth: (Y, X) annotated foreground, `> 0`.
        """
        # a hair more, or 0.29 * 100 would fall into bin 28
        places = (np.asarray(probability, dtype=np.float32) * STEPS + 1e-4).astype(np.int64).clip(0, STEPS)
        joined = places + (STEPS + 1) * (np.asarray(truth) > 0)
        self.counts.append(np.bincount(joined.ravel(), minlength=2 * (STEPS + 1)).reshape(2, STEPS + 1))

    def iou_by_threshold(self) -> NDArray[np.float64]:
        """IoU by image, averaged, (STEPS + 1,): at threshold k / STEPS a pixel is foreground where it is reached.

        An image without foreground scores 1 where nothing is found, else 0.
        """
        at_least = np.cumsum(np.array(self.counts)[..., ::-1], axis=-1)[..., ::-1]
        invented, hit = at_least[:, 0].astype(float), at_least[:, 1].astype(float)
        union = invented + at_least[:, 1, :1]
        iou = np.where(union > 0, hit / np.maximum(union, 1), 1.0)
        mean: NDArray[np.float64] = iou.mean(axis=0)
        return mean

    def calibration(self) -> list[tuple[float, float, int]]:
        """By bin: the mean probability, the share of foreground, the number of pixels; bins of few pixels left out."""
        total = np.sum(self.counts, axis=0)
        middles = np.minimum((np.arange(STEPS + 1) + 0.5) / STEPS, 1.0)
        bins = np.minimum(np.arange(STEPS + 1) * BINS // STEPS, BINS - 1)
        rows = []
        for place in range(BINS):
            inside = total[:, bins == place]
            pixels = int(inside.sum())
            if pixels >= ENOUGH:
                mean = float((inside.sum(axis=0) * middles[bins == place]).sum() / pixels)
                rows.append((mean, float(inside[1].sum() / pixels), pixels))
        return rows

    def calibration_error(self) -> float | None:
        """Expected calibration error: mean distance of probability and share of foreground, by pixel; None without bins.

        Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
        """
        rows = self.calibration()
        pixels = sum(count for *_, count in rows)
        return sum(abs(said - came) * count for said, came, count in rows) / pixels if pixels else None


def draw_threshold(sets: Mapping[str, Probabilities], chosen: float) -> "Figure":
    """Two panels: IoU by threshold with the chosen one, and how often a probability came true.

    Args:
        sets: by role, `validation` or `test`, at least one image each.
        chosen: the threshold that the bundle uses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.13, top=0.9, wspace=0.18)  # found by hand: a layout takes longer
    left, right = figure.subplots(1, 2)
    left.axvline(chosen, color="0.35", linewidth=0.9, linestyle=":", label=f"chosen: {chosen:g}")
    right.plot([0, 1], [0, 1], color="0.35", linewidth=0.9, linestyle=":", label="perfectly calibrated")
    for role, found in sets.items():
        style = {"color": COLOURS[role], "linestyle": DASHES[role], "linewidth": 1.8}
        left.plot(np.arange(1, STEPS) / STEPS, found.iou_by_threshold()[1:STEPS], label=role, **style)
        rows = found.calibration()
        right.plot([row[0] for row in rows], [row[1] for row in rows], marker="o", markersize=5, label=role, **style)
    left.set(title="IoU by threshold", xlabel="threshold", ylabel="mean IoU over images", ylim=(0, 1), xlim=(0, 1))
    right.set(title="Calibration", xlabel="probability said", ylabel="share of foreground", ylim=(0, 1), xlim=(0, 1))
    for axes in (left, right):
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def find_best(found: Probabilities) -> tuple[float, float]:
    """The threshold of the highest IoU, the nearest to one half of equals, and that IoU."""
    curve = found.iou_by_threshold()[1:STEPS]
    thresholds: Sequence[float] = [place / STEPS for place in range(1, STEPS)]
    best = max(zip(curve.tolist(), thresholds, strict=True), key=lambda pair: (pair[0], -abs(pair[1] - 0.5)))
    return best[1], best[0]
