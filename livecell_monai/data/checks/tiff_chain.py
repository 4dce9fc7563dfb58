"""The chain of page directories of a TIFF, which may form a loop in a damaged file."""

import struct
from pathlib import Path

_HEADS = {b"II*\0": ("<", 4, 2, 12), b"MM\0*": (">", 4, 2, 12), b"II+\0": ("<", 8, 8, 20), b"MM\0+": (">", 8, 8, 20)}
_LETTERS = {2: "H", 4: "I", 8: "Q"}


def check_page_chain(path: Path) -> None:
    """Reject a TIFF whose directories form a loop, which tifffile would follow forever; its reader finds other damage.

    Raises:
        ValueError: a directory comes twice.
    """
    with open(path, "rb") as file:
        head = file.read(16)
        if head[:4] not in _HEADS:
            return
        order, offset_size, counter_size, entry_size = _HEADS[head[:4]]
        offset, counter = struct.Struct(order + _LETTERS[offset_size]), struct.Struct(order + _LETTERS[counter_size])
        place = head[offset_size : 2 * offset_size]  # after the magic number, which is as long as an offset
        seen: set[int] = set()
        while len(place) == offset_size and (at := offset.unpack(place)[0]):
            if at in seen:
                raise ValueError(f"its directories form a loop: the one at byte {at} comes twice")
            seen.add(at)
            file.seek(at)
            count = file.read(counter_size)
            if len(count) < counter_size:
                return
            file.seek(at + counter_size + counter.unpack(count)[0] * entry_size)
            place = file.read(offset_size)
