"""What every file format is held to: one grey plane (Y, X), a pixel size in µm, and refusals of one line.

The readers of single formats call these as soon as the header is known, so that a stack of many gigabytes is refused
before any of it is decoded.
"""

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from livecell_monai.errors import DataError, SettingError, is_out_of_memory

#: what helps an image that does not fit into memory
MORE_MEMORY = (
    "close other programs, or have it read part by part, which TIFF and OME-Zarr can be, by a lower tiling_min_megapixels"
)

#: One unit of length in µm, by the names that OME-XML, ImageJ and NIfTI give it, in lower case; µ has two code points.
UNITS_UM = {
    **dict.fromkeys(("\u00b5m", "\u03bcm", "\\u00b5m", "um", "micron", "microns", "micrometer"), 1.0),
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    **dict.fromkeys(("m", "meter"), 1e6),
}

MOST_PIXELS = 2**27  #: of what is read or decoded at once, such as a whole image or one tile of a mosaic
MOST_EXPANSION = 1024  #: bytes of pixels to a byte of the file, which no deflated image passes


class _Ears(threading.local):
    """Keeps what a library logs while this thread reads, instead of printing it; a logging filter.

    Attributes:
        heard: the messages of level ERROR so far, None while no file is being read and logging goes its usual way.
    """

    heard: list[str] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be printed."""
        if self.heard is None:
            return True
        if record.levelno >= logging.ERROR:
            self.heard.append(record.getMessage())
        return False


_EARS = _Ears()
for _name in ("tifffile", "nibabel.global", "nd2"):
    logging.getLogger(_name).addFilter(_EARS)


@contextmanager
def reading(path: object, kind: str) -> Iterator[None]:
    """Turn whatever a library raises, or logs as an error, while it reads a file into one DataError.

    Args:
        path: the file, or the plane of it, as the message is to name it.
        kind: the format's name, as the message is to give it.

    Raises:
        DataError: the library failed, or went on over damage that it only logged.
        SettingError: as it was raised inside.
    """
    heard: list[str] = []
    _EARS.heard = heard
    try:
        yield
        if heard:  # tifffile logs a cut or broken tag and reads on without it
            raise ValueError(heard[0])
    except Exception as error:
        if isinstance(error, DataError | SettingError) and not heard:
            raise
        if is_out_of_memory(error):
            raise DataError(f"{path}: must fit into memory to be read, it does not; {MORE_MEMORY}") from error
        # what was logged came first: a stack of no axes may be no more than the sequel of a broken tag
        words = " ".join((heard[0] if heard else str(error)).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: cannot be read as {kind} ({words}); check that the file is whole, or save it again as TIFF"
        ) from error
    finally:
        _EARS.heard = None


def require_plane(path: Path, axes: str, shape: Sequence[int]) -> tuple[int, int]:
    """The size (Y, X) of an array whose other axes are all of length 1.

    Args:
        path: the file, for the message.
        axes: one letter per axis.
        shape: one length per axis.

    Raises:
        DataError: another axis is longer than 1, Y or X is missing or empty, or X stands before Y.
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


def require_bounded(path: Path, what: str, shape: Sequence[int], name: str | None = None) -> None:
    """Refuse what would be too large in memory, ahead of decoding it: some kilobytes can stand for gigabytes of pixels.

    Args:
        path: the file or folder.
        what: what is decoded at once, such as "an image that is read whole".
        shape: one length per axis.
        name: of the plane, for the message; None for the path.

    Raises:
        DataError: where it has more than `MOST_PIXELS` pixels, and more than eight to each byte of the file.
    """
    pixels = math.prod(shape)
    if pixels > MOST_PIXELS and pixels > 8 * measure_bytes(path, pixels // 8):
        size = " x ".join(map(str, shape))
        raise DataError(
            f"{name or path}: {what} must have at most {MOST_PIXELS} pixels, or a byte of the file for each eight, "
            f"got {size}; save it in smaller pieces"
        )


def require_substance(path: Path, pixel_bytes: int) -> None:
    """Refuse a large plane that hardly a byte of the file stands for: its header lies, or nearly all of it is blank.

    Args:
        path: the file or folder.
        pixel_bytes: of the plane when decoded.

    Raises:
        DataError: where they are more than `MOST_EXPANSION` to each byte of the file.
    """
    least = (pixel_bytes - MOST_PIXELS) // MOST_EXPANSION
    if least > 0 and (held := measure_bytes(path, least)) < least:
        got = f"{pixel_bytes} bytes of pixels in {held} bytes of the file"
        raise DataError(f"{path}: an image must be held by its file, got {got}; save it anew")


def measure_bytes(path: Path, enough: int) -> int:
    """The size of a file, or of the files in a folder, of which no more are counted than make up what is enough."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for file in path.rglob("*"):
        total += file.stat().st_size if file.is_file() else 0
        if total >= enough:
            break
    return total


def raise_colour_error(path: Path, what: str) -> NoReturn:
    """Refuse an image in colour.

    Args:
        path: the file.
        what: the kind of colour, such as "RGB (mode RGBA)".

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: an image must be one grey plane, this is {what}; convert it to one grey channel first")


def pixel_size(sizes: Sequence[float], units: Sequence[str]) -> tuple[float, float] | None:
    """The size (Y, X) of a pixel in µm, None where a unit is unknown or a size is not a positive number.

    Args:
        sizes: (Y, X), each in its unit.
        units: (Y, X), each a name of a unit of length.
    """
    y, x = (size * UNITS_UM.get(unit.strip().lower(), math.nan) for size, unit in zip(sizes, units, strict=True))
    return (y, x) if 0 < y < math.inf and 0 < x < math.inf else None


def to_number(told: Any) -> float:
    """A number that a file tells as text, NaN where it tells none or something else."""
    try:
        return float(told)
    except (TypeError, ValueError):
        return math.nan
