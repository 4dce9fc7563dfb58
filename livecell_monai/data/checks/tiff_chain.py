"""The directories of a TIFF, each of which names the place of the next: a file that is damaged may lead round in a ring."""

import struct
from pathlib import Path

_HEADS = {b"II*\0": ("<", 4, 2, 12), b"MM\0*": (">", 4, 2, 12), b"II+\0": ("<", 8, 8, 20), b"MM\0+": (">", 8, 8, 20)}
_LETTERS = {2: "H", 4: "I", 8: "Q"}


def check_page_chain(path: Path) -> None:
    """Refuse a TIFF whose directories come again, which tifffile would follow without an end.

    Wherever else the chain breaks, its reader tells.

    Raises:
        ValueError: where a directory comes twice.
    """
    with open(path, "rb") as file:
        head = file.read(16)
        if head[:4] not in _HEADS:
            return
        order, offset_size, counter_size, entry_size = _HEADS[head[:4]]
        offset, counter = struct.Struct(order + _LETTERS[offset_size]), struct.Struct(order + _LETTERS[counter_size])
        place = head[offset_size : 2 * offset_size]  # behind the mark, which is as long as an offset
        seen: set[int] = set()
        while len(place) == offset_size and (at := offset.unpack(place)[0]):
            if at in seen:
                raise ValueError(f"its directories go round in a ring, the one at byte {at} comes again")
            seen.add(at)
            file.seek(at)
            count = file.read(counter_size)
            if len(count) < counter_size:
                return
            file.seek(at + counter_size + counter.unpack(count)[0] * entry_size)
            place = file.read(offset_size)
