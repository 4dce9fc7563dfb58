"""What the probabilities of a set of images show: IoU by threshold, and calibration."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecell_monai.outputs.figures import BLUE, VERMILLION, new_figure, style_axes
from livecell_monai.sample import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 100  #: thresholds are multiples of 1 / STEPS
BINS = 10  #: of the calibration, equally wide
ENOUGH = 200  # pixels; bins with fewer are left out
STYLES = {"validation": {"color": BLUE, "linestyle": "-"}, "test": {"color": VERMILLION, "linestyle": "--"}}


class Probabilities:
    """Histograms of the probabilities of several images."""

    def __init__(self) -> None:
        #: for each image (2, STEPS + 1): pixels of background and of foreground by floor(probability * STEPS)
        self.counts: list[NDArray[np.int64]] = []

    def add(self, probability: Pixels, truth: Pixels) -> None:
        """Add an image: its probability (Y, X) in [0, 1] and its annotated foreground (Y, X), `> 0`."""
        # a hair more, or 0.29 * 100 would fall into bin 28
        places = (np.asarray(probability, dtype=np.float32) * STEPS + 1e-4).astype(np.int64).clip(0, STEPS)
        joined = places + (STEPS + 1) * (np.asarray(truth) > 0)
        self.counts.append(np.bincount(joined.ravel(), minlength=2 * (STEPS + 1)).reshape(2, STEPS + 1))

    def iou_by_threshold(self) -> NDArray[np.float64]:
        """IoU by image, averaged, (STEPS + 1,): at threshold k / STEPS a probability of at least that is foreground.

        An image without foreground scores 1 if nothing is found, else 0.
        """
        at_least = np.cumsum(np.array(self.counts)[..., ::-1], axis=-1)[..., ::-1]
        invented, hit = at_least[:, 0].astype(float), at_least[:, 1].astype(float)
        union = invented + at_least[:, 1, :1]
        iou = np.where(union > 0, hit / np.maximum(union, 1), 1.0)
        return np.asarray(iou.mean(axis=0))

    def find_best(self) -> tuple[float, float]:
        """(threshold, IoU) of the highest IoU; of equals the one nearest to one half."""
        curve = self.iou_by_threshold().tolist()
        best = max(range(1, STEPS), key=lambda place: (curve[place], -abs(place / STEPS - 0.5)))
        return best / STEPS, curve[best]

    def calibration(self) -> list[tuple[float, float, int]]:
        """(mean probability, share of foreground, number of pixels) of each bin; bins with few pixels are left out."""
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
        return sum(abs(mean - share) * count for mean, share, count in rows) / pixels if pixels else None


def draw_threshold(sets: Mapping[str, Probabilities], chosen: float) -> "Figure":
    """Two panels: IoU by threshold, with the one that the bundle uses, and calibration.

    The sets are by role, `validation` or `test`, with at least one image each.
    """
    figure = new_figure(11, 4.2, layout=None)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.13, top=0.9, wspace=0.18)  # found by hand: a layout takes longer
    left, right = figure.subplots(1, 2)
    left.axvline(chosen, color="0.35", linewidth=0.9, linestyle=":", label=f"chosen: {chosen:g}")
    right.plot([0, 1], [0, 1], color="0.35", linewidth=0.9, linestyle=":", label="perfectly calibrated")
    for role, found in sets.items():
        left.plot(np.arange(1, STEPS) / STEPS, found.iou_by_threshold()[1:STEPS], linewidth=1.8, label=role, **STYLES[role])
        points = [row[:2] for row in found.calibration()]
        right.plot(*np.reshape(points, (-1, 2)).T, marker="o", markersize=5, linewidth=1.8, label=role, **STYLES[role])
    left.set(title="IoU by threshold", xlabel="threshold", ylabel="mean IoU over images", ylim=(0, 1), xlim=(0, 1))
    right.set(title="Calibration", xlabel="predicted probability", ylabel="share of foreground", ylim=(0, 1), xlim=(0, 1))
    for axes in (left, right):
        style_axes(axes)
        axes.legend(frameon=False)
    return figure
