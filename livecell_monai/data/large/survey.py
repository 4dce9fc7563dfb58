"""What the whole of an image is needed for, found in one pass over it: range, a regular sample, a small picture.

Every tile is decoded here, so that a damaged one is found before hours of work and not in the middle of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels, Region

TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64")


@dataclass(frozen=True)
class Survey:
    """What one pass over an image has found.

    Attributes:
        low: least value, as float32.
        high: greatest value, as float32.
        sample: (M, N) in the file's own type, every n-th row and column.
        thumbnail: (Y, X) in the file's own type, every 2^k-th row and column.
    """

    low: float
    high: float
    sample: Pixels
    thumbnail: Pixels


def survey_source(source: LargeImageSource, step: int, thumbnail_step: int) -> Survey:
    """Read every pixel of an image once.

    Args:
        source: the image.
        step: every how manieth row and column the sample takes.
        thumbnail_step: the same for the thumbnail.

    Raises:
        DataError: a part cannot be decoded, a value is not finite or too large for float32, or all are equal.
    """
    path, dtype = source.stack.path, source.stack.dtype
    if dtype.name not in TYPES:
        raise DataError(f"{path}: an image must be one of {', '.join(TYPES)}, got {dtype}; save it as 16 bit")
    sample, thumbnail = _Picked(source, step), _Picked(source, thumbnail_step)
    low, high = np.inf, -np.inf
    for region, block in source.blocks():
        if dtype.kind == "f":
            _check_infinite(source, region, block)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        sample.take(region, block)
        thumbnail.take(region, block)
    with np.errstate(over="ignore"):
        least, greatest = np.float32(low), np.float32(high)
        reach = greatest - least
    if not np.isfinite(reach):
        raise DataError(f"{path}: an image must have values that float32 holds, got {low:g} to {high:g}; scale it down")
    if reach == 0:
        raise DataError(f"{path}: an image must not be constant, got {low:g} in every pixel; leave it out or save it anew")
    return Survey(float(least), float(greatest), sample.pixels, thumbnail.pixels)


def count_other_values(source: LargeImageSource, change: Callable[[Pixels], Pixels], value: float) -> tuple[Pixels, Pixels]:
    """The values that differ from one, rising, and how many pixels have each; another pass over the image.

    Args:
        source: the image.
        change: what is done to its values first; gives float32.
        value: the one that nearly all pixels have.
    """
    found: dict[float, int] = {}
    for _, block in source.blocks():
        changed = change(block)
        values, counts = np.unique(changed[changed != np.float32(value)], return_counts=True)
        for each, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[each] = found.get(each, 0) + count
    values = np.array(sorted(found), np.float32)
    return values, np.array([found[each] for each in sorted(found)], np.int64)


class _Picked:
    """Every n-th row and column of an image, filled block by block."""

    def __init__(self, source: LargeImageSource, step: int) -> None:
        self.step = step
        self.pixels: Pixels = np.empty([-(-edge // step) for edge in source.shape], source.stack.dtype)

    def take(self, region: Region, block: Pixels) -> None:
        top, left = -(-region.top // self.step), -(-region.left // self.step)
        rows = block[top * self.step - region.top :: self.step, left * self.step - region.left :: self.step]
        self.pixels[top : top + rows.shape[0], left : left + rows.shape[1]] = rows


def _check_infinite(source: LargeImageSource, region: Region, block: Pixels) -> None:
    bad = ~np.isfinite(block)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{source.stack.path}: an image must be finite in every pixel, got NaN or infinite at row {region.top + row}, "
            f"column {region.left + column}; replace it"
        )
