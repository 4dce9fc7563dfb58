"""Reads the pixel bytes of a file that may be gzip-compressed, never more than its header states."""

import gzip
from pathlib import Path
from typing import BinaryIO, cast

MAX_TRAILING_BYTES = 2**20  #: that may follow the pixels


def open_maybe_gzip(path: Path) -> BinaryIO:
    """A file open for reading, decompressed if its name ends in .gz."""
    return cast(BinaryIO, gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb"))


def read_pixel_bytes(stream: BinaryIO, head: bytes, offset: int, count: int) -> bytearray:
    """Read `count` bytes from an offset, if `head` has been read already, and the rest of the file for its checksum.

    Raises:
        ValueError: bytes are missing, or more than `MAX_TRAILING_BYTES` follow.
        OSError, EOFError: the gzip stream is damaged, or cut off.
    """
    data = bytearray(count)  # uses no memory until it is filled
    known = head[offset : offset + count]
    data[: len(known)] = known
    if offset > len(head):
        stream.read(offset - len(head))
    filled, view = len(known), memoryview(data)
    while filled < count and (got := stream.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += got
    if filled < count:
        raise ValueError(f"the file is cut off: it needs {count} bytes of pixels and has {filled}")
    if len(stream.read(MAX_TRAILING_BYTES + 1)) > MAX_TRAILING_BYTES:
        raise ValueError(f"more than {MAX_TRAILING_BYTES} bytes follow its {count} bytes of pixels")
    return data
