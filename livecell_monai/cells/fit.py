"""The decoding of one image: cells larger than those of the training need a smoother map, smaller ones a sharper one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from livecell_monai.cells.decode import Decoding, Labels, decode
from livecell_monai.sample import Pixels, Region

MIDDLE = 2048  #: px, edge of the middle of an image by which its cells are measured
COARSE = 12  #: px of the diameter of a cell on the grid on which it is measured, at least
SIMILAR = 1.35  #: ratio of diameters up to which cells are decoded as those of the training
MOST = 2.0  #: largest ratio that the decoding follows

Read = Callable[[Region], Pixels]  #: a part (Y, X) of a map


def fit_decoding(decoding: Decoding, shape: tuple[int, int], mask: Read, distance: Read) -> Decoding:
    """The decoding for the cells of an image (Y, X).

    The cells in the middle of the image are separated on a coarse grid to measure them. `mask` reads parts of a mask (bool),
    `distance` those of the quantised distance map.
    """
    middle, step = _take_middle(shape), max(1, int(decoding.cell_diameter / COARSE))
    # without a threshold: a map that is averaged too widely for small cells stays low
    coarse = Decoding(decoding.seed_depth / step, decoding.cell_diameter / step, 0.0, decoding.min_area // step**2)
    inside, height = (np.ascontiguousarray(read(middle)[::step, ::step]) for read in (mask, distance))
    labels = decode(inside, height, coarse)
    ratio = weigh_median(_measure_diameters(labels)) / coarse.cell_diameter
    if ratio == 0 or 1 / SIMILAR < ratio < SIMILAR:
        return decoding
    return replace(decoding, own_diameter=decoding.cell_diameter * float(np.clip(ratio, 1 / MOST, MOST)))


def _measure_diameters(labels: Labels) -> list[float]:
    """The diameter in px of the disc of each cell's area; cells at the border of the image count if there are no others."""
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    is_inside = np.ones(len(areas), bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        is_inside[edge] = False
    inside = areas[is_inside & (areas > 0)]
    found: list[float] = (2 * np.sqrt((inside if len(inside) else areas[areas > 0]) / np.pi)).tolist()
    return found


def weigh_median(diameters: Sequence[float]) -> float:
    """The median of diameters, each with its own value as weight, so that fragments count little; 0 without any."""
    if not diameters:
        return 0.0
    ordered = np.sort(np.asarray(diameters, dtype=np.float64))
    middles = np.cumsum(ordered) - ordered / 2
    return float(np.interp(ordered.sum() / 2, middles, ordered))


def _take_middle(shape: tuple[int, int]) -> Region:
    height, width = (min(edge, MIDDLE) for edge in shape)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    return Region(top, left, top + height, left + width)
