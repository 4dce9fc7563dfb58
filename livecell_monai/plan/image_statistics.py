"""What one annotated image is like, in numbers: size of its cells, their contrast, the light, the noise.

Shares lie in [0, 1]. Illumination and noise are given in units of the image's spread P99 - P1, so that neither the gain nor
the offset of a camera changes them. Where P99 = P1, greatest - least value takes its place, and a constant image has 0.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.sample import Pixels

PERCENTILES = (0.1, 1.0, 50.0, 99.0, 99.9)  #: which percentiles of the grey values are noted

Numbers = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

_SMALLEST = 9  # px; what is smaller is a crumb of the annotation
_CLEAR = 0.75  # share of the foreground that must lie on one side of the background for `bright` or `dark`
_BLOCKS = 16  # per side, on which the background is averaged
_BARE = 0.25  # share of background that a block must have to count
_FEWEST_BLOCKS = 12  # twice the terms of the polynomial
_ROUNDS = 20  # of the robust fit, which settles in about ten
_TUKEY = 4.685  # sigmas beyond which a block has no say; 95 % as efficient as least squares where the noise is normal
_QUARTILES_APART = 1.349  # sigmas between the quartiles of a normal distribution
_SIGMA_BY_MAD = 1.4826  # sigma of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class ImageStatistics:
    """What was measured in one annotated image, or in the region of it that a sample stands for.

    Attributes:
        name: the sample's name.
        size: (Y, X) pixels.
        cells: number of instances, or of connected components where the label is binary.
        diameters: px, each that of the disc of a cell's area, rising: of the cells of 9 px or more that the image's rim does
            not cut; where there are none, of those that it cuts too; where there are none either, of all. Empty without
            a cell.
        foreground: share of pixels whose label is > 0.
        percentiles: grey values at `PERCENTILES`.
        saturated: share of pixels at an end of the range of values, see `_share_at_ends`.
        polarity: (median of the foreground - median of the background) / sigma of the background, both robust; 0 where
            there is no foreground or no background.
        polarity_word: `bright` where at least three quarters of the foreground are brighter than the background's median,
            `dark` where as many are darker, else `mixed`, as cells in phase contrast are.
        illumination: greatest - least height of a smooth surface through the background, over P99 - P1.
        noise: sigma of what differs from pixel to pixel, over P99 - P1.
        pixel_size_um: (Y, X) µm, None where the file does not tell.
    """

    name: str
    size: tuple[int, int]
    cells: int
    diameters: tuple[float, ...]
    foreground: float
    percentiles: tuple[float, ...]
    saturated: float
    polarity: float
    polarity_word: str
    illumination: float
    noise: float
    pixel_size_um: tuple[float, float] | None = None


def measure_image(
    image: Pixels, label: Pixels, name: str = "", pixel_size_um: tuple[float, float] | None = None
) -> ImageStatistics:
    """Measure one image by its label.

    Args:
        image: (Y, X) integers or floats, every value finite.
        label: (Y, X) integers >= 0, 0 background; instance ids, or one value for all cells.
        name: what the result is called.
        pixel_size_um: (Y, X) µm, handed on.

    Raises:
        ValueError: where the two are not of one shape (Y, X) with at least one pixel.
    """
    if image.ndim != 2 or image.shape != label.shape or image.size == 0:
        raise ValueError(f"image and label must have one shape (Y, X), not empty, got {image.shape} and {label.shape}")
    levels, counts = _count_levels(image)
    percentiles = _percentiles(levels, counts)
    reach, spread = float(levels[-1]) - float(levels[0]), percentiles[3] - percentiles[1]
    if spread <= 1e-9 * reach:  # less than 2 % of the pixels differ from the others
        spread = reach
    unit = spread or 1.0
    relative = (np.subtract(image, percentiles[2], dtype=np.float64) / unit).astype(np.float32)
    step = float(np.diff(levels.astype(np.float64)).min(initial=reach)) / unit
    background = label == 0
    cells, diameters = _measure_cells(label)
    polarity, word = _measure_polarity(relative[~background], relative[background], step)
    return ImageStatistics(
        name=name,
        size=(image.shape[0], image.shape[1]),
        cells=cells,
        diameters=diameters,
        foreground=1 - float(background.mean()),
        percentiles=tuple(percentiles.tolist()),
        saturated=_share_at_ends(levels, counts),
        polarity=polarity,
        polarity_word=word,
        illumination=_measure_illumination(relative, background, step),
        noise=_measure_noise(relative),
        pixel_size_um=pixel_size_um,
    )


def _count_levels(image: Pixels) -> tuple[Pixels, NDArray[np.int64]]:
    """The grey values of an image, rising, each with its number of pixels."""
    # 8 and 16 bit are sorted by radix where the sort is to be stable, ten times as fast as otherwise
    ordered = np.sort(image, axis=None, kind="stable" if image.itemsize <= 2 else None)
    starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
    return ordered[starts], np.diff(starts, append=len(ordered))


def _percentiles(levels: Pixels, counts: NDArray[np.int64]) -> Numbers:
    """Grey values at `PERCENTILES`, interpolated as NumPy does."""
    ends = np.cumsum(counts)
    at = np.array(PERCENTILES) / 100 * (ends[-1] - 1)
    low, high = (levels[np.searchsorted(ends, index(at), side="right")].astype(np.float64) for index in (np.floor, np.ceil))
    return np.asarray(low + (at - np.floor(at)) * (high - low))


def _share_at_ends(levels: Pixels, counts: NDArray[np.int64]) -> float:
    """Share of the pixels that the camera or a conversion has cut off.

    The least and the greatest value count where they are an end of the integer type, or a plateau: 10 pixels or more and
    above four times as many as at each of the next five levels. So 12 bit data that stop at 4095 are found, and lone hot
    pixels are not. A constant image is all plateau.
    """
    if len(levels) == 1:
        return 1.0
    at_ends = 0
    limits = np.iinfo(levels.dtype) if levels.dtype.kind in "ui" else None
    for level, limit, inward in (
        (levels[0], limits and limits.min, counts),
        (levels[-1], limits and limits.max, counts[::-1]),
    ):
        if level == limit or (inward[0] >= 10 and inward[0] > 4 * inward[1:6].max()):
            at_ends += int(inward[0])
    return at_ends / int(counts.sum())


def _measure_cells(label: Pixels) -> tuple[int, tuple[float, ...]]:
    """Number of cells, and the diameters in px of those that are to be believed."""
    ids = label.astype(np.int64)
    if ids.max() > max(ids.size, 2**16):  # a table of areas by id would be long
        ids = np.unique(np.append(0, ids), return_inverse=True)[1][1:].reshape(ids.shape)
    areas = np.bincount(ids.ravel())
    if np.count_nonzero(areas[1:]) == 1:
        ids = ndimage.label(ids, structure=np.ones((3, 3)))[0]
        areas = np.bincount(ids.ravel())
    areas[0] = 0
    is_whole = np.ones(len(areas), dtype=bool)
    for rim in (ids[0], ids[-1], ids[:, 0], ids[:, -1]):
        is_whole[rim] = False
    choices = (is_whole & (areas >= _SMALLEST), areas >= _SMALLEST, areas > 0)
    chosen = next((choice for choice in choices if choice.any()), choices[-1])
    return int(np.count_nonzero(areas)), tuple(np.sort(2 * np.sqrt(areas[chosen] / np.pi)).tolist())


def _measure_polarity(inside: Numbers, outside: Numbers, step: float) -> tuple[float, str]:
    """How far and to which side the foreground's values lie from the background's, see `ImageStatistics`.

    Args:
        inside: (N,) values of the foreground.
        outside: (N,) values of the background.
        step: least difference of two values, which no sigma lies far below: rounding alone has step / sqrt(12).
    """
    if step == 0 or inside.size == 0 or outside.size == 0:
        return 0.0, "mixed"
    low, middle, high = np.percentile(outside, [25, 50, 75])
    polarity = (np.median(inside) - middle) / np.hypot((high - low) / _QUARTILES_APART, step / np.sqrt(12))
    shares = {"bright": np.mean(inside > middle), "dark": np.mean(inside < middle)}
    return float(polarity), next((word for word, share in shares.items() if share >= _CLEAR), "mixed")


def _measure_illumination(relative: Numbers, background: Mask, step: float) -> float:
    """Greatest - least height of a polynomial of order 2 through the background's medians in blocks.

    The fit is robust (Tukey's biweight), so that walls and halos have no say where they are few. Its height is taken where
    there is background only; 0 where that is too little to tell. `step` is the least difference of two values.
    """
    lines = [np.linspace(0, side, min(_BLOCKS, side) + 1).astype(int) for side in relative.shape]
    heights, boxes = [], []
    for (top, bottom), (left, right) in product(pairwise(lines[0]), pairwise(lines[1])):
        bare = background[top:bottom, left:right]
        if bare.mean() >= _BARE:
            heights.append(np.median(relative[top:bottom, left:right][bare]))
            boxes.append((top, bottom, left, right))
    if len(boxes) < _FEWEST_BLOCKS:
        return 0.0
    height, sides = np.array(heights, dtype=np.float64), np.repeat(relative.shape, 2)
    top, bottom, left, right = (2 * np.array(boxes) / sides - 1).T
    terms = _terms((top + bottom) / 2, (left + right) / 2)
    off = np.abs(height - np.median(height))  # from a level surface: one of least squares would lean on a wall
    for _ in range(_ROUNDS):
        sigma = max(_SIGMA_BY_MAD * float(np.median(off)), step / np.sqrt(12), 1e-6)
        weight = np.clip(1 - (off / (_TUKEY * sigma)) ** 2, 0, None)  # root of the weight, as least squares take it
        surface = np.linalg.lstsq(terms * weight[:, None], height * weight, rcond=None)[0]
        off = np.abs(height - terms @ surface)
    corners = np.concatenate([_terms(y, x) @ surface for y, x in product((top, bottom), (left, right))])
    return float(np.ptp(corners))


def _terms(y: Numbers, x: Numbers) -> Numbers:
    """(N, 6) terms of a polynomial of order 2 at places (N,) in [-1, 1]."""
    return np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=1)


def _measure_noise(relative: Numbers) -> float:
    """Sigma of the pixels' noise by the median of a second difference in Y and X, which smooth structure leaves at 0.

    It is too low where neighbours share their noise, and 0 where that lies far below one grey value.

    Source: Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64, 1996; the median in
    place of the mean keeps edges and hot pixels out.
    """
    along_y = relative[:-2] - 2 * relative[1:-1] + relative[2:]
    both = along_y[:, :-2] - 2 * along_y[:, 1:-1] + along_y[:, 2:]
    return float(_SIGMA_BY_MAD * np.median(np.abs(both)) / 6) if both.size else 0.0  # sqrt of 36, the sum of its squares
