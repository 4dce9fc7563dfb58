"""The directories of a TIFF by our own hands: where each tag stands and what it holds."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
MOST = 10**5  # values of a tag that are read


@dataclass(frozen=True)
class Tag:
    """An entry of a directory: its place in the file, what it says, and the place of its values."""

    place: int
    code: int
    kind: int
    count: int
    at: int


@dataclass(frozen=True)
class Layout:
    """The byte order (`<` or `>`), whether offsets have 8 bytes, and for each directory (place, tags by code)."""

    order: str
    is_big: bool
    directories: tuple[tuple[int, dict[int, Tag]], ...]

    @property
    def entry(self) -> int:
        """Bytes of an entry."""
        return 20 if self.is_big else 12

    @property
    def counter(self) -> int:
        """Bytes of the number of entries, ahead of them."""
        return 8 if self.is_big else 2

    @property
    def offset(self) -> str:
        """The letter of an offset for `struct`."""
        return "Q" if self.is_big else "I"


def read_layout(data: bytes) -> Layout | None:
    """The chain of directories of a TIFF, None where its head is none; a chain ends where it is broken or comes again."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    version = struct.unpack_from(f"{order}H", data, 2)[0] if order and len(data) >= 16 else 0
    if order is None or version not in (42, 43):
        return None
    is_big = version == 43
    layout = Layout(order, is_big, ())
    (place,) = struct.unpack_from(order + layout.offset, data, 8 if is_big else 4)
    return Layout(order, is_big, tuple(_chain(data, layout, place)))


def values_of(data: bytes, layout: Layout, tag: Tag | None, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The integers of a tag, or what stands for it where it is missing, too long, or not of integers."""
    if tag is None or tag.kind not in _LETTERS or tag.count > MOST:
        return default
    size = SIZES[tag.kind] * tag.count
    if tag.at + size > len(data):
        return default
    return struct.unpack_from(f"{layout.order}{tag.count}{_LETTERS[tag.kind]}", data, tag.at)


def _chain(data: bytes, layout: Layout, place: int) -> Iterator[tuple[int, dict[int, Tag]]]:
    seen: set[int] = set()
    while place and place not in seen and place + layout.counter <= len(data) and len(seen) < 100:
        seen.add(place)
        (count,) = struct.unpack_from(f"{layout.order}{'Q' if layout.is_big else 'H'}", data, place)
        first = place + layout.counter
        after = first + count * layout.entry
        tags: dict[int, Tag] = {}
        for at in range(first, min(after, len(data) - layout.entry + 1), layout.entry):
            tag = _read_tag(data, layout, at)
            tags.setdefault(tag.code, tag)
        yield place, tags
        if after + struct.calcsize(layout.offset) > len(data):
            return
        (place,) = struct.unpack_from(layout.order + layout.offset, data, after)


def _read_tag(data: bytes, layout: Layout, at: int) -> Tag:
    code, kind, count = struct.unpack_from(f"{layout.order}HH{layout.offset}", data, at)
    field = at + 4 + struct.calcsize(layout.offset)
    is_inside = SIZES.get(kind, 1) * count <= struct.calcsize(layout.offset)
    (target,) = struct.unpack_from(layout.order + layout.offset, data, field)
    return Tag(at, code, kind, count, field if is_inside else target)
