"""Histograms of the area and the mean intensity of the true and the predicted cells of several images."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecell_monai.outputs.figures import BLUE, VERMILLION, new_figure, style_axes
from livecell_monai.sample import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = (8, 40)  # fewest and most; between them as many as the root of the number of cells
SHOWN = 99.0  # percentile of all values at which an axis ends; cells beyond it are in the outermost bin
SIDES = {"true": (BLUE, "-"), "predicted": (VERMILLION, "--")}
MEASURED = {"area": "cell area (px)", "intensity": "mean intensity of a cell, as the network sees the image"}

Values = NDArray[np.float64]


class CellSpread:
    """Area in px and mean intensity of the cells of several images."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Values]] = {side: [np.empty((2, 0))] for side in SIDES}

    def add(self, image: Pixels, predicted: Pixels, truth: Pixels) -> None:
        """Add an image (Y, X) with the ids (Y, X) of its predicted and its true cells."""
        for side, labels in (("true", truth), ("predicted", predicted)):
            self._parts[side].append(_measure(image, labels))

    def of(self, side: str) -> dict[str, Values]:
        """The values (N,) of the `true` or the `predicted` cells by name: `area` and `intensity`."""
        return dict(zip(MEASURED, np.concatenate(self._parts[side], axis=1), strict=True))


def _measure(image: Pixels, labels: Pixels) -> Values:
    """Area and mean grey value (2, N) of the cells of a label image."""
    inside = labels > 0
    _, cells = np.unique(labels[inside], return_inverse=True)
    area = np.bincount(cells)
    return np.stack([area, np.bincount(cells, np.asarray(image)[inside]) / area])


def draw_spread(spread: CellSpread, name: str) -> "Figure":
    """A histogram of the `area` or the mean `intensity` of the true and the predicted cells; 605 x 440 px."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(5.5, 4)
    axes = figure.subplots()
    sides = {side: spread.of(side)[name] for side in SIDES}
    edges = _choose_bins(np.concatenate([*sides.values()]), name == "area")
    for side, values in sides.items():
        median = f", median {np.median(values):.4g}" if len(values) else ""
        counts, _ = np.histogram(values.clip(edges[0], edges[-1]), edges)
        label, (colour, style) = f"{side}: {len(values):,} cells{median}", SIDES[side]
        axes.stairs(counts, edges, linewidth=1.8, label=label, color=colour, linestyle=style)
    axes.set(xlabel=MEASURED[name], ylabel="cells", xlim=(edges[0], edges[-1]), ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    style_axes(axes)
    figure.legend(loc="outside upper left", frameon=False)  # inside, it would cover the bars
    return figure


def _choose_bins(values: Values, from_zero: bool) -> Values:
    """The edges of equal bins over nearly all values."""
    low, high = np.percentile(values, [100 - SHOWN, SHOWN]) if len(values) else (0.0, 1.0)
    low = 0.0 if from_zero else low
    count = int(np.clip(np.sqrt(len(values)), *BINS))
    return np.linspace(low, max(high, low + 1e-3), count + 1)
