"""Checks shared by all file formats: one grey plane (Y, X), limited size, pixel size in µm, errors of one line.

Readers call them as soon as the header is known, so that a stack of many gigabytes is rejected before it is decoded.
"""

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from livecell_monai.errors import DataError, SettingError, is_out_of_memory

#: advice for an image that does not fit into memory
MEMORY_ADVICE = "close other programs, or lower tiling_min_megapixels to read a TIFF or OME-Zarr in parts"
#: units of length in µm, by their lower-case names in OME-XML, ImageJ and NIfTI; µ has two code points
UNITS_UM = {
    **dict.fromkeys(("\u00b5m", "\u03bcm", "\\u00b5m", "um", "micron", "microns", "micrometer"), 1.0),
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    **dict.fromkeys(("m", "meter"), 1e6),
}

MAX_PIXELS = 2**27  #: decoded at once: a whole image, or one tile of a large image
MAX_EXPANSION = 1024  #: bytes of pixels per byte of the file, above what deflate reaches


class _LogCapture(threading.local):
    """A logging filter that, while this thread reads a file, collects ERROR messages instead of printing them."""

    errors: list[str] | None = None  # None while no file is read

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be printed."""
        if self.errors is None:
            return True
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())
        return False


_CAPTURE = _LogCapture()
for _name in ("tifffile", "nibabel.global", "nd2"):
    logging.getLogger(_name).addFilter(_CAPTURE)


@contextmanager
def reading_errors(path: object, kind: str) -> Iterator[None]:
    """Turn what a library raises, or logs as an error, while it reads a file into one DataError.

    Args:
        path: the file or plane, for the message.
        kind: name of the format, for the message.

    Raises:
        DataError: the library failed, or only logged that the file is damaged.
        SettingError: as raised inside.
    """
    logged: list[str] = []
    _CAPTURE.errors = logged
    try:
        yield
        if logged:  # tifffile logs a broken tag and ignores it
            raise ValueError(logged[0])
    except Exception as error:
        if isinstance(error, DataError | SettingError) and not logged:
            raise
        if is_out_of_memory(error):
            raise DataError(f"{path}: not enough memory to read it; {MEMORY_ADVICE}") from error
        # what was logged came first: a broken tag may be the cause of the error
        words = " ".join((logged[0] if logged else str(error)).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: cannot be read as {kind} ({words}); check that the file is complete, or save it again as TIFF"
        ) from error
    finally:
        _CAPTURE.errors = None


def check_single_plane(path: Path, axes: str, shape: Sequence[int]) -> tuple[int, int]:
    """The size (Y, X) of an array whose other axes all have length 1; `axes` has one letter per axis.

    Raises:
        DataError: another axis is longer than 1, Y or X is missing or empty, or X comes before Y.
    """
    kept = [(axis, length) for axis, length in zip(axes, shape, strict=True) if length != 1 or axis in "YX"]
    lengths = [length for _, length in kept]
    if [axis for axis, _ in kept] == ["Y", "X"] and min(lengths) > 0:
        return lengths[0], lengths[1]
    got = ", ".join(f"{axis} {length}" for axis, length in kept)
    raise DataError(
        f"{path}: an image must be one grey plane, got {'a stack with ' if len(kept) > 2 else ''}axes {got};"
        " save the plane to use as its own file"
    )


def check_decoded_size(path: Path, what: str, shape: Sequence[int], name: str | None = None) -> None:
    """Reject too many pixels before they are decoded: a few kilobytes may expand to gigabytes.

    Args:
        path: the file or folder.
        what: what is decoded at once, such as "an image that is read whole".
        shape: one length per axis.
        name: of the plane, for the message; None for the path.

    Raises:
        DataError: more than `MAX_PIXELS` pixels, and more than eight for each byte of the file.
    """
    pixels = math.prod(shape)
    if pixels > MAX_PIXELS and pixels > 8 * measure_bytes(path, pixels // 8):
        size = " x ".join(map(str, shape))
        raise DataError(
            f"{name or path}: {what} must have at most {MAX_PIXELS} pixels, or eight for each byte of the file, "
            f"got {size}; save it in smaller pieces"
        )


def check_expansion(path: Path, pixel_bytes: int) -> None:
    """Reject a large plane of far more bytes than its file: the header is wrong, or nearly all of it is blank.

    Raises:
        DataError: more than `MAX_EXPANSION` bytes of pixels for each byte of the file or folder.
    """
    least = (pixel_bytes - MAX_PIXELS) // MAX_EXPANSION
    if least > 0 and (held := measure_bytes(path, least)) < least:
        got = f"{pixel_bytes} in {held} bytes"
        raise DataError(f"{path}: a file must hold the pixels of its image, got {got}; save it again")


def measure_bytes(path: Path, enough: int) -> int:
    """The size of a file, or of the files in a folder; counting stops at `enough` bytes."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for file in path.rglob("*"):
        total += file.stat().st_size if file.is_file() else 0
        if total >= enough:
            break
    return total


def raise_colour_error(path: Path, what: str) -> NoReturn:
    """Raise the DataError of a colour image; `what` is the kind of colour, such as "RGB (mode RGBA)"."""
    raise DataError(f"{path}: an image must be one grey plane, this is {what}; convert it to one grey channel first")


def pixel_size(sizes: Sequence[float], units: Sequence[str]) -> tuple[float, float] | None:
    """The size (Y, X) of a pixel in µm, from sizes (Y, X) and units; None if a unit is unknown or a size is not > 0."""
    y, x = (size * UNITS_UM.get(unit.strip().lower(), math.nan) for size, unit in zip(sizes, units, strict=True))
    return (y, x) if 0 < y < math.inf and 0 < x < math.inf else None


def to_number(text: Any) -> float:
    """A number of a file's metadata, NaN if it is missing or no number."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
