"""Checks shared by all file formats, made before a file is decoded: one grey plane (Y, X), limited size, one-line errors."""

import logging
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

from livecell_monai.data.checks.contents import describe_contents
from livecell_monai.errors import DataError, SettingError, is_out_of_memory

#: advice for an image that does not fit into memory
MEMORY_ADVICE = "close other programs, or lower tiling_min_megapixels to read a TIFF or OME-Zarr in parts"
MAX_PIXELS = 2**27  #: decoded at once: a whole image, or one tile of a large image
MAX_EXPANSION = 1024  #: bytes of pixels per byte of the file, above what deflate reaches
MAX_PLANES = 10**7  #: in OME-XML; a day at 100 frames a second
_COUNT = re.compile(r"""\b(Size[TCZ]|PlaneCount|NumPlanes|IFD|First[TCZ])\s*=\s*["']\s*[+-]?0*(\d+)""")
_SIZE = re.compile(r"""\bSize([XYTCZ])\s*=\s*["']\s*\+?0*(\d+)""")
_OBJECT = re.compile(r"<[\w.]+ (?:object at 0x\w+|'[^']*')>:? ?")  # a file as a library prints it
_MODULO = re.compile(r"<(?:\w+:)?ModuloAlong\w[^>]*\b(?:Start|End|Step)\s*=[^>]*>")


class _LogCapture(threading.local):
    """A logging filter that, while this thread reads a file, collects ERROR messages instead of printing them."""

    errors: list[str] | None = None  # None while no file is read

    def filter(self, record: logging.LogRecord) -> bool:
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

    `path` and `kind`, the name of the format, are for the message. A SettingError passes unchanged.
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
        reason = _OBJECT.sub("", " ".join((logged[0] if logged else str(error)).split()))[:200] or type(error).__name__
        advice = "check that the file is complete, or save it again as TIFF"
        found = describe_contents(Path(str(path)), kind)
        if found is not None:
            reason, advice = f"it is {found[0]}", found[1]
        raise DataError(f"{path}: cannot be read as {kind} ({reason}); {advice}") from error
    finally:
        _CAPTURE.errors = None


def check_single_plane(path: Path, axes: str, shape: Sequence[int]) -> tuple[int, int]:
    """The size (Y, X) of an array whose other axes have length 1, otherwise a DataError; `axes` has one letter per axis."""
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
    """Reject more than `MAX_PIXELS` pixels, unless the file has a byte for eight: a few kilobytes may expand to gigabytes.

    `what` is decoded at once, such as "an image that is read whole"; `name` is that of the plane, None for the path.
    """
    pixels = math.prod(shape)
    if pixels > MAX_PIXELS and pixels > 8 * measure_bytes(path, pixels // 8):
        size = " x ".join(map(str, shape))
        raise DataError(
            f"{name or path}: {what} must have at most {MAX_PIXELS} pixels, or eight for each byte of the file, "
            f"got {size}; save it in smaller pieces"
        )


def check_expansion(path: Path, pixel_bytes: int) -> None:
    """Reject a large plane of more than `MAX_EXPANSION` bytes for each of its file: the header is wrong, or it is blank."""
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


def parse_xml(text: str) -> ElementTree.Element:
    """The root of an XML text, checked by `check_xml`."""
    check_xml(text)
    return ElementTree.fromstring(text)


def check_xml(text: str, page_pixels: int | None = None) -> None:
    """Reject, by a ValueError, XML that would expand to far more than its size: entities, huge numbers of planes.

    `page_pixels` is the size of a TIFF's first page, because tifffile lists as many pages as the stated sizes need.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("its XML has a document type, which no microscope software writes")
    for name, number in _COUNT.findall(text):
        if len(number) > len(str(MAX_PLANES)) or int(number) > MAX_PLANES:
            raise ValueError(f"its XML lists more than {MAX_PLANES} planes ({name})")
    sizes = dict.fromkeys("XYTCZ", 1)  # the largest of each, if there are several images
    for axis, number in _SIZE.findall(text):
        sizes[axis] = max(sizes[axis], int(number))
    planes = sizes["T"] * sizes["C"] * sizes["Z"]
    pages = 0 if page_pixels is None else planes * sizes["X"] * sizes["Y"] // max(page_pixels, 1)
    if max(planes, pages) > MAX_PLANES:
        raise ValueError(f"its XML lists more than {MAX_PLANES} planes ({' x '.join(map(str, sizes.values()))})")
    if _MODULO.search(text):
        raise ValueError("its XML divides an axis by a range (ModuloAlong)")
