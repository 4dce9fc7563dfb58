"""The grey values of a label: whether they are those of a soft mask, of an image, or of interpolated ids."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.data.checks.contents import find_kind
from livecell_monai.sample import Pixels

MAX_CLASSES = 16  #: labels with more values hold ids or greys
_SOFT_MAXIMUM = 64  # masks with a lower maximum are not soft
_BAND = 512  # rows that are examined at once
_BLACK = 3  # JPEG changes plain black and white by up to this
_STEP = 1 / 32  # of the maximum: neighbours in a soft rim differ by more, those in a cell do not
_CLOSE = 1 / 8  # of the maximum: the noise of a JPEG is this close to 0 or to the maximum
_NEARLY_ALL = 0.9
_CORE_SHARE = 0.4  # of the pixels above half are close to the maximum
_ZERO_SHARE = 0.1  # of the pixels below half are 0; few are in an image that was saved as a label


@dataclass(frozen=True)
class Greys:
    """Numbers of pixels of a label by their grey value: 0, near 0, between, near the maximum, or the maximum."""

    size: int  # of the label
    is_jpeg: bool
    is_deep: bool  # the maximum is high enough for a soft mask
    zero: int  # or almost 0, as JPEG makes of it
    above_zero: int
    above_half: int
    near: int  # to 0 or to the maximum, and neither
    near_rough: int  # with a neighbour of another value
    noise: int  # near, and farther from 0 and the maximum than a flat part of a JPEG
    noise_rough: int
    between: int
    between_in_rim: int  # with a neighbour that differs clearly
    high: int  # near the maximum, or the maximum
    highest: int  # or almost
    uneven: int  # above 0, with another neighbour above 0

    def is_soft(self) -> bool:
        """Whether the label is a soft mask: cells of the maximum, a background of 0, and few other values."""
        # soft edges: what lies between is in rims, and the cells have a core
        has_rims = (
            self.between > 0
            and self.between_in_rim >= _NEARLY_ALL * self.between
            and self.high >= _CORE_SHARE * self.above_half
        )
        # a copy of a JPEG has noise in place of rims, at low quality beside flat parts
        is_noisy = (
            self.between <= 0.01 * self.above_half
            and (0 < _NEARLY_ALL * self.near <= self.near_rough or 0 < _NEARLY_ALL * self.noise <= self.noise_rough)
            and self.highest >= self.high / 2
        )
        # a file that is a JPEG holds no ids
        is_jpeg_mask = (
            self.is_jpeg
            and self.between + self.near > 0
            and self.between <= self.above_half / 2
            and self.between - self.between_in_rim <= _CLOSE * self.above_half
        )
        has_background = self.zero >= _ZERO_SHARE * (self.size - self.above_half)
        return self.is_deep and has_background and (has_rims or is_noisy or is_jpeg_mask)

    def is_image(self) -> bool:
        """Whether a label that is no soft mask holds the grey values of another image."""
        return self.uneven >= _NEARLY_ALL * max(1, self.above_zero) or (
            self.is_jpeg and (self.uneven > 0 or not self.is_deep)
        )


def count_greys(pixels: Pixels, path: Path) -> Greys | None:
    """The grey values of a label; None if a quick look shows that it holds ids or one value."""
    highest, is_jpeg = int(pixels.max()), (find_kind(path) or path.suffix.lower()) in ("JPEG", ".jpg", ".jpeg")
    if highest <= (0 if is_jpeg else MAX_CLASSES) or min(pixels.shape) < 3:
        return None
    is_deep = highest >= _SOFT_MAXIMUM
    black = _BLACK if is_deep else 0
    if not (is_jpeg or is_rough(pixels, highest) or is_rough(pixels, highest - black, black)):
        return None
    counts: Counter[str] = Counter()
    for part, differs_by, is_solid in _neighbourhoods(pixels):
        between = (part > highest * _CLOSE) & (part < highest * (1 - _CLOSE))
        near = (part > 0) & (part < highest) & ~between
        noise = near & (part > black) & (part < highest - black)
        masks = {
            "zero": part <= (highest / 16 if is_jpeg else black),
            "above_zero": part > 0,
            "above_half": part > highest / 2,
            "near": near,
            "near_rough": near & ~is_solid,
            "noise": noise,
            "noise_rough": noise & ~is_solid,
            "between": between,
            "between_in_rim": between & (differs_by > highest * _STEP),
            "high": part >= highest * (1 - _CLOSE),
            "highest": part >= highest - black,
            "uneven": (part > 0) & (differs_by > 0),
        }
        counts.update({name: int(np.count_nonzero(mask)) for name, mask in masks.items()})
    return Greys(pixels.size, is_jpeg, is_deep, **counts)


def is_rough(pixels: Pixels, highest: int, black: int = 0) -> bool:
    """Whether most pixels between black and the maximum differ from a neighbour above, below or beside: a quick look."""
    count = solid = 0
    for inner, is_flat in _interiors(pixels):
        grey = (inner > black) & (inner < highest)
        count += int(np.count_nonzero(grey))
        solid += int(np.count_nonzero(grey & is_flat))
    return solid < count / 2


def is_interpolated(pixels: Pixels) -> bool:
    """Whether most values are only in rims of others, where the interpolation of ids or classes puts them."""
    present = count_values(pixels)[0]
    if len(present) <= MAX_CLASSES or min(pixels.shape) < 3:
        return False
    cores = [np.unique(inner[is_flat]) for inner, is_flat in _interiors(pixels)]
    core = np.union1d(np.concatenate(cores), [0])
    if 3 * len(core) > len(present):
        return False
    thin = rim = above = 0
    for part, differs_by, _ in _neighbourhoods(pixels):
        is_thin = ~np.isin(part, core)
        thin += int(np.count_nonzero(is_thin))
        rim += int(np.count_nonzero(is_thin & (differs_by > 0)))
        above += int(np.count_nonzero(part))
    return thin < 0.75 * above and rim >= _NEARLY_ALL * thin


def count_values(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """The values of a label in increasing order, with their numbers of pixels."""
    if pixels.dtype.itemsize > 2:
        return np.unique(pixels, return_counts=True)
    counts = np.zeros(2**16, np.int64)
    for top in range(0, len(pixels), _BAND):
        counts += np.bincount(pixels[top : top + _BAND].ravel(), minlength=2**16)
    values = np.flatnonzero(counts)
    return values, counts[values]


def _interiors(pixels: Pixels) -> Iterator[tuple[Pixels, Pixels]]:
    """Bands of a label without its outermost pixels, and whether each pixel is equal to those above, below and beside."""
    for part in _bands(pixels):
        inner = part[1:-1, 1:-1]
        is_flat = inner == part[:-2, 1:-1]
        for other in (part[2:, 1:-1], part[1:-1, :-2], part[1:-1, 2:]):
            is_flat &= inner == other
        yield inner, is_flat


def _neighbourhoods(pixels: Pixels) -> Iterator[tuple[Pixels, Pixels, Pixels]]:
    """Bands (Y, X) of a label, with two measures of each pixel and its eight neighbours.

    The difference of the highest and lowest value above 0; and whether all are equal.
    """
    for wide in _bands(pixels):
        high = ndimage.maximum_filter(wide, 3)
        least = ndimage.minimum_filter(wide, 3)
        low = ndimage.minimum_filter(np.where(wide > 0, wide, np.iinfo(wide.dtype).max), 3)
        yield wide[1:-1], np.where(high >= low, high - low, 0)[1:-1], (high == least)[1:-1]


def _bands(pixels: Pixels) -> Iterator[Pixels]:
    """Bands of a label with one row more above and below; the first and last row of the label are only such rows."""
    for top in range(1, len(pixels) - 1, _BAND):
        yield pixels[top - 1 : min(top + _BAND, len(pixels) - 1) + 1]
