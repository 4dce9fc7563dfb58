"""The size of cells in an image without annotation, from how a network that has seen cells of many sizes separates them.

At the right scale it finds the same cells as at the scale beside it; at others, it splits cells into pieces or merges them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from livecell_monai.cells.decode import Labels
from livecell_monai.cells.fit import weigh_median
from livecell_monai.metrics.cells import match_cells
from livecell_monai.plan.image_statistics import measure_diameters
from livecell_monai.sample import Region

SCALES = tuple(2 ** (step / 2) for step in range(-4, 5))  # of the image, in steps that leave a cell what it is
EDGE = 640  # pixels of the middle of the scaled image that is looked at
REACH = int(EDGE / min(SCALES))  # pixels of the image that are looked at, at the coarsest scale
SMALLEST = 32  # pixels of a scaled image: in a smaller one there are no cells to compare
SHARPNESS = 8  # power of the agreement: only scales near the best one count
WIDTH = 1.0  # octaves by which found cells may differ from the expected size until they count for 0.6 only
FEW = 0.5  # number of cells that count for half: one cell may agree by chance

Separate = Callable[[torch.Tensor], Labels]  #: the cells (Y, X) of a normalised image (1, Y, X)


@dataclass(frozen=True)
class _Found:
    """The cells of an image at one scale."""

    labels: Labels  #: (y, x), at this scale
    region: Region  #: of the image, which they cover
    diameter: float  #: px on the grid of the image, 0 without cells

    def on_grid(self, region: Region, shape: tuple[int, int]) -> Labels:
        """The labels of a region of the image, in so many pixels (y, x)."""
        ends = ((region.top, region.bottom, self.region.top), (region.left, region.right, self.region.left))
        sizes = (self.region.bottom - self.region.top, self.region.right - self.region.left)
        places = []
        for (first, last, origin), edge, size, here in zip(ends, shape, sizes, self.labels.shape, strict=True):
            middle = (np.arange(edge) + 0.5) * (last - first) / edge + first - origin
            places.append(np.clip((middle * here / size).astype(int), 0, here - 1))
        taken: Labels = self.labels[np.ix_(*places)]
        return taken


def estimate_diameter(image: torch.Tensor, separate: Separate, expected: float) -> float | None:
    """The diameter in px of the typical cell of a normalised image (1, Y, X) float32; None if no cell is found.

    `separate` finds cells; those that it finds best are `expected` px across.
    """
    scales = [scale for scale in SCALES if min(image.shape[-2:]) * scale >= SMALLEST]
    found = [_look(image, separate, scale) for scale in scales]
    weights, sizes = [], []
    for coarse, fine, scale in zip(found, found[1:], scales, strict=False):
        if min(coarse.diameter, fine.diameter) > 0:
            size = float(np.sqrt(coarse.diameter * fine.diameter))
            off = np.log2(size * scale * 2**0.25 / expected)  # at the scale between the two
            weights.append(_measure_agreement(coarse, fine) ** SHARPNESS * np.exp(-((off / WIDTH) ** 2) / 2))
            sizes.append(np.log(size))
    return float(np.exp(np.average(sizes, weights=weights))) if sum(weights) > 0 else None


def _look(image: torch.Tensor, separate: Separate, scale: float) -> _Found:
    """The cells in the middle of an image at a scale."""
    height, width = image.shape[-2:]
    rows, columns = (min(edge, int(EDGE / scale)) for edge in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    region = Region(top, left, top + rows, left + columns)
    part = image[None, :, top : top + rows, left : left + columns]
    size = (max(1, round(rows * scale)), max(1, round(columns * scale)))
    scaled = interpolate(part, size, mode="bilinear", antialias=scale < 1)[0]
    labels = separate(scaled)
    return _Found(labels, region, weigh_median(measure_diameters(labels)[1]) / scale)


def _measure_agreement(coarse: _Found, fine: _Found) -> float:
    """How well two sets of cells agree in [0, 1]: their panoptic quality, less where they are few."""
    counts = match_cells(coarse.on_grid(fine.region, fine.labels.shape), fine.labels).counts
    number = min(counts.true_cells, counts.predicted_cells)
    if number == 0:
        return 0.0
    quality = 2 * counts.matched_iou / (counts.true_cells + counts.predicted_cells)
    return quality * number / (number + FEW)
