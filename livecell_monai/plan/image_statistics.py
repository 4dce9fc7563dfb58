"""Measurements of one annotated image: cell sizes, contrast, illumination, noise.

What needs the annotation (cells, foreground, polarity, illumination) is measured in annotated pixels only; grey values,
saturation and noise in the whole image, because the network sees and normalises the whole image.

Fractions lie in [0, 1]. Illumination and noise are divided by P99 - P1 of the image, so that gain and offset of the camera
do not change them. If P99 = P1, maximum - minimum is used instead; a constant image has 0.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.cells.distance import find_cut
from livecell_monai.cells.runs import find_cell_runs, list_touching
from livecell_monai.data.ignored import find_extent
from livecell_monai.sample import Pixels

PERCENTILES = (0.1, 1.0, 50.0, 99.0, 99.9)  #: measured percentiles of the grey values

Numbers = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

_MIN_CELL_PX = 9  # smaller regions are errors of the annotation
_CLEAR = 0.75  # fraction of the foreground on one side of the background for `bright` or `dark`
_BLOCKS = 16  # per side; the fit uses the median background of each
_MIN_BACKGROUND = 0.25  # fraction of background pixels in a block that is used
_MIN_BLOCKS = 12  # twice the number of polynomial terms
_ROUNDS = 20  # of the robust fit, which converges in about ten
_TUKEY = 4.685  # sigmas beyond which a block has weight 0; 95 % efficiency for normal noise
_QUARTILE_RANGE = 1.349  # interquartile range of a normal distribution, in sigmas
_SIGMA_BY_MAD = 1.4826  # sigma of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class ImageStatistics:
    """Measurements of one annotated image, or of a region of it.

    `diameters` are those of discs of the cells' areas, for cells of 9 px or more that touch neither the image border nor a
    pixel that is not annotated; if there are none, also for those that do; if there are none either, for all cells.
    `polarity_word` is `bright` if at least three quarters of the foreground are brighter than the median background, `dark`
    if as many are darker, else `mixed`, as cells in phase contrast.
    """

    name: str  #: of the sample
    size: tuple[int, int]  #: (Y, X) pixels
    cells: int  #: number of instances, or of connected components of a binary label
    touching: int  #: number of instances that touch another one
    diameters: tuple[float, ...]  #: px, increasing
    foreground: float  #: fraction of the annotated pixels whose label is > 0
    percentiles: tuple[float, ...]  #: grey values at `PERCENTILES`
    saturated: float  #: fraction of saturated pixels, see `_measure_saturation`
    polarity: float  #: (median foreground - median background) / robust sigma of the background; 0 if one is missing
    polarity_word: str
    illumination: float  #: (maximum - minimum) of a smooth surface through the background, divided by P99 - P1
    noise: float  #: sigma of the pixel noise, divided by P99 - P1
    pixel_size_um: tuple[float, float] | None = None  #: (Y, X), None if the file does not state it
    annotated: float = 1.0  #: fraction of pixels
    extent: tuple[int, int] = (0, 0)  #: (Y, X) pixels of the smallest rectangle that holds all annotated ones
    border_areas: tuple[int, ...] = ()  #: px, of the cells that the border of the image cuts, see `measure_border_cells`
    is_cut: bool = False  #: whether the image is annotated in part, and `diameters` are those of cells that are cut by it


def measure_image(
    image: Pixels,
    label: Pixels,
    name: str = "",
    pixel_size_um: tuple[float, float] | None = None,
    sides: tuple[bool, bool, bool, bool] = (True, True, True, True),
) -> ImageStatistics:
    """Measure an image (Y, X) of finite values with its label (Y, X): 0 is background, above it instance ids or one value.

    Pixels of the label that are `IGNORED` are not annotated; at least one must be. `sides` as in `measure_border_cells`.
    """
    levels, counts = _count_levels(image)
    percentiles = _percentiles(levels, counts)
    reach, spread = float(levels[-1]) - float(levels[0]), percentiles[3] - percentiles[1]
    if spread <= 1e-9 * reach:  # fewer than 2 % of the pixels differ from the others
        spread = reach
    unit = spread or 1.0
    relative = (np.subtract(image, percentiles[2], dtype=np.float64) / unit).astype(np.float32)
    step = float(np.diff(levels.astype(np.float64)).min(initial=reach)) / unit
    background = label == 0
    labelled = label >= 0
    cells, diameters, is_whole = _measure_cells(label)
    polarity, word = _measure_polarity(relative[label > 0], relative[background], step)
    extent = find_extent(label)
    return ImageStatistics(
        name=name,
        size=(image.shape[0], image.shape[1]),
        cells=cells,
        touching=len(np.unique(list_touching(find_cell_runs(label)))),
        diameters=diameters,
        foreground=1 - int(np.count_nonzero(background)) / int(np.count_nonzero(labelled)),
        percentiles=tuple(percentiles.tolist()),
        saturated=_measure_saturation(levels, counts),
        polarity=polarity,
        polarity_word=word,
        illumination=_measure_illumination(relative, background, step),
        noise=_measure_noise(relative),
        pixel_size_um=pixel_size_um,
        annotated=float(labelled.mean()),
        extent=(extent.bottom - extent.top, extent.right - extent.left),
        border_areas=measure_border_cells(label, sides),
        is_cut=not is_whole and not labelled.all(),
    )


def _count_levels(image: Pixels) -> tuple[Pixels, NDArray[np.int64]]:
    """The grey values of an image in increasing order, with their numbers of pixels."""
    # NumPy's stable sort of 8 and 16 bit is a radix sort, ten times as fast as the default
    ordered = np.sort(image, axis=None, kind="stable" if image.itemsize <= 2 else None)
    starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
    return ordered[starts], np.diff(starts, append=len(ordered))


def _percentiles(levels: Pixels, counts: NDArray[np.int64]) -> Numbers:
    """Grey values at `PERCENTILES`, interpolated as by NumPy."""
    ends = np.cumsum(counts)
    at = np.array(PERCENTILES) / 100 * (ends[-1] - 1)
    low, high = (levels[np.searchsorted(ends, index(at), side="right")].astype(np.float64) for index in (np.floor, np.ceil))
    return np.asarray(low + (at - np.floor(at)) * (high - low))


def _measure_saturation(levels: Pixels, counts: NDArray[np.int64]) -> float:
    """Fraction of the pixels that the camera or a conversion has clipped; all of a constant image.

    The minimum and the maximum count as clipped if they are a limit of the integer type, or a plateau: at least 10 pixels,
    and more than four times as many as each of the next five levels, as in 12 bit data that end at 4095.
    """
    if len(levels) == 1:
        return 1.0
    clipped = 0
    limits = np.iinfo(levels.dtype) if levels.dtype.kind in "ui" else None
    for level, limit, inward in (
        (levels[0], limits and limits.min, counts),
        (levels[-1], limits and limits.max, counts[::-1]),
    ):
        if level == limit or (inward[0] >= 10 and inward[0] > 4 * inward[1:6].max()):
            clipped += int(inward[0])
    return clipped / int(counts.sum())


def measure_diameters(label: Pixels) -> tuple[int, tuple[float, ...]]:
    """Number of cells of a label (Y, X), and their diameters in px, in increasing order, as in `ImageStatistics`."""
    return _measure_cells(label)[:2]


def measure_border_cells(label: Pixels, sides: tuple[bool, bool, bool, bool]) -> tuple[int, ...]:
    """The areas in px, increasing, of the cells that the border of the image cuts, of 9 px or more.

    The label (Y, X) is that of a part of the image; `sides` says whether its first row, last row, first column and last
    column are the border of the image. Cells that the part or a pixel that is not annotated cuts do not count.
    """
    ids, areas = _number_cells(label)
    at_border, is_cut = np.zeros(len(areas), dtype=bool), np.zeros(len(areas), dtype=bool)
    for edge, is_border in zip((ids[0], ids[-1], ids[:, 0], ids[:, -1]), sides, strict=True):
        (at_border if is_border else is_cut)[edge] = True
    is_cut[ids[find_cut(label)]] = True
    return tuple(np.sort(areas[at_border & ~is_cut & (areas >= _MIN_CELL_PX)]).tolist())


def _number_cells(label: Pixels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids (Y, X) of the cells, 0 elsewhere, and the area in px by id, 0 for 0; components are cells of a binary label."""
    ids = np.maximum(label, 0).astype(np.int64)
    if ids.max() > max(ids.size, 2**16):  # bincount would need too much memory
        ids = np.unique(np.append(0, ids), return_inverse=True)[1][1:].reshape(ids.shape)
    areas = np.bincount(ids.ravel())
    if np.count_nonzero(areas[1:]) == 1:
        ids = ndimage.label(ids, structure=np.ones((3, 3)))[0]
        areas = np.bincount(ids.ravel())
    areas[0] = 0
    return ids, areas


def _measure_cells(label: Pixels) -> tuple[int, tuple[float, ...], bool]:
    """What `measure_diameters` returns, and whether the diameters are those of whole cells."""
    ids, areas = _number_cells(label)
    is_whole = np.ones(len(areas), dtype=bool)
    for edge in (ids[0], ids[-1], ids[:, 0], ids[:, -1]):
        is_whole[edge] = False
    is_whole[ids[find_cut(label)]] = False
    choices = (is_whole & (areas >= _MIN_CELL_PX), areas >= _MIN_CELL_PX, areas > 0)
    chosen = next((choice for choice in choices if choice.any()), choices[-1])
    diameters = tuple(np.sort(2 * np.sqrt(areas[chosen] / np.pi)).tolist())
    return int(np.count_nonzero(areas)), diameters, chosen is choices[0]


def _measure_polarity(inside: Numbers, outside: Numbers, step: float) -> tuple[float, str]:
    """Polarity and its word, from the values (N,) inside and outside of the foreground.

    `step` is the smallest difference of two values; rounding alone has a sigma of step / sqrt(12).
    """
    if step == 0 or inside.size == 0 or outside.size == 0:
        return 0.0, "mixed"
    low, middle, high = np.percentile(outside, [25, 50, 75])
    polarity = (np.median(inside) - middle) / np.hypot((high - low) / _QUARTILE_RANGE, step / np.sqrt(12))
    fractions = {"bright": np.mean(inside > middle), "dark": np.mean(inside < middle)}
    return float(polarity), next((word for word, fraction in fractions.items() if fraction >= _CLEAR), "mixed")


def _measure_illumination(relative: Numbers, background: Mask, step: float) -> float:
    """Maximum - minimum of a polynomial of order 2 through the median background of blocks.

    The fit is robust (Tukey's biweight): a few walls and halos do not change it. With too few blocks the result is 0.
    """
    lines = [np.linspace(0, side, min(_BLOCKS, side) + 1).astype(int) for side in relative.shape]
    heights, boxes = [], []
    for (top, bottom), (left, right) in product(pairwise(lines[0]), pairwise(lines[1])):
        free = background[top:bottom, left:right]
        if free.mean() >= _MIN_BACKGROUND:
            heights.append(np.median(relative[top:bottom, left:right][free]))
            boxes.append((top, bottom, left, right))
    if len(boxes) < _MIN_BLOCKS:
        return 0.0
    height, sides = np.array(heights, dtype=np.float64), np.repeat(relative.shape, 2)
    top, bottom, left, right = (2 * np.array(boxes) / sides - 1).T
    terms = _terms((top + bottom) / 2, (left + right) / 2)
    off = np.abs(height - np.median(height))  # start from a flat surface: least squares would follow a wall
    for _ in range(_ROUNDS):
        sigma = max(_SIGMA_BY_MAD * float(np.median(off)), step / np.sqrt(12), 1e-6)
        weight = np.clip(1 - (off / (_TUKEY * sigma)) ** 2, 0, None)  # square root of the weight, for least squares
        surface = np.linalg.lstsq(terms * weight[:, None], height * weight, rcond=None)[0]
        off = np.abs(height - terms @ surface)
    corners = np.concatenate([_terms(y, x) @ surface for y, x in product((top, bottom), (left, right))])
    return float(np.ptp(corners))


def _terms(y: Numbers, x: Numbers) -> Numbers:
    """(N, 6) terms of a polynomial of order 2 at positions (N,) in [-1, 1]."""
    return np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=1)


def _measure_noise(relative: Numbers) -> float:
    """Sigma of the pixel noise, from the median of a second difference in Y and X; too low if noise is correlated.

    Source: Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64, 1996; the median,
    instead of the mean, excludes edges and hot pixels.
    """
    along_y = relative[:-2] - 2 * relative[1:-1] + relative[2:]
    both = along_y[:, :-2] - 2 * along_y[:, 1:-1] + along_y[:, 2:]
    # 6 is the root of the sum of the squared coefficients
    return float(_SIGMA_BY_MAD * np.median(np.abs(both)) / 6) if both.size else 0.0
