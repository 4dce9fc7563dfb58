"""A file that may be compressed by gzip, read as far as its header says and to its end, and no further."""

import gzip
from pathlib import Path
from typing import BinaryIO, cast

MOST_BEHIND = 2**20  #: bytes that may follow the pixels


def open_packed(path: Path) -> BinaryIO:
    """A file open for reading, unpacked where its name ends in .gz."""
    return cast(BinaryIO, gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb"))


def read_rest(stream: BinaryIO, head: bytes, offset: int, count: int) -> bytearray:
    """So many bytes from an offset, where the head has been read already; the rest is read for its checksum.

    Raises:
        ValueError: where they are not all there, or far more follow.
        OSError: where a gzip stream is damaged; EOFError where it is cut off.
    """
    data = bytearray(count)  # takes no memory until it is filled
    known = head[offset : offset + count]
    data[: len(known)] = known
    if offset > len(head):
        stream.read(offset - len(head))
    filled, view = len(known), memoryview(data)
    while filled < count and (got := stream.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += got
    if filled < count:
        raise ValueError(f"the file is cut off: it needs {count} bytes of pixels and has {filled}")
    behind = len(stream.read(MOST_BEHIND + 1))  # to the end, with checksum
    if behind > MOST_BEHIND:
        raise ValueError(f"more than {MOST_BEHIND} bytes follow its {count} bytes of pixels")
    return data
