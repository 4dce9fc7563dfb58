"""TIFFs whose tags lie: extreme sizes, offsets and counts, directories in a ring, bombs."""

import struct
import zlib
from collections.abc import Callable
from random import Random

import imagecodecs

from fuzz.byte_mutations import Mutation
from fuzz.ifd import Layout, Tag, read_layout
from fuzz.seed import Seed

_SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 35, 37, 39, 41, 64, 127, 128, 255, 256, 1000, 32767, 32768)
_EXTREMES = (*_SMALL, 65534, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**63, 2**64 - 1)
# size, bits, compression, photometric, offsets, rows, samples, counts, planes, predictor, tiles, format, subfile and others
_TELLING = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339, 254, 270, 330, 282, 266, 32997)
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 32773, 32946, 34712, 34887, 34892, 34925, 50000, 50001, 50002, 65000, 65535)
_BYTES_OF_BOMB = 2**32


def lie_in_a_tag(data: bytes, random: Random) -> tuple[bytes, str]:
    """One to three tags get another value, type, count or offset."""
    changed, words = bytearray(data), []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        layout = read_layout(bytes(changed))
        if layout is None or not any(tags for _, tags in layout.directories):
            return bytes(changed), "no directory"
        tags = random.choice([tags for _, tags in layout.directories if tags])
        telling = [tag for code, tag in tags.items() if code in _TELLING]
        tag = random.choice(telling if telling and random.random() < 0.85 else list(tags.values()))
        words.append(_lie(changed, layout, tag, random))
    return bytes(changed), " and ".join(words)


def claim_a_size(data: bytes, random: Random) -> tuple[bytes, str]:
    """The image says to be of another size, mostly an absurd one, with strips or tiles to suit or not."""
    layout, changed = read_layout(data), bytearray(data)
    if layout is None or not layout.directories:
        return data, "no directory"
    tags = layout.directories[0][1]
    size = random.choice((36, 40, 80, 4000, 30_000, 65_535, 100_000, 2**31 - 1, 2**32 - 1))
    codes = random.choice(((256,), (257,), (256, 257), (256, 257, 278), (322, 323), (256, 257, 322, 323)))
    for code in codes:
        if code in tags:
            _set_inside(changed, layout, tags[code], size)
    return bytes(changed), f"tags {codes} say {size}"


def bend_the_chain(data: bytes, random: Random) -> tuple[bytes, str]:
    """The offset of the first or of the next directory points elsewhere: a ring, the pixels, behind the end."""
    layout, changed = read_layout(data), bytearray(data)
    if layout is None or not layout.directories:
        return data, "no directory"
    place, _ = random.choice(layout.directories)
    (count,) = struct.unpack_from(f"{layout.order}{'Q' if layout.is_big else 'H'}", data, place)
    after = place + layout.counter + count * layout.entry
    at = random.choice((after, 8 if layout.is_big else 4))
    target = random.choice(
        (place, layout.directories[0][0], 8, 1, len(data), len(data) - 3, 2**31, random.randrange(len(data)))
    )
    if at + 8 <= len(changed):
        struct.pack_into(layout.order + layout.offset, changed, at, target)
    return bytes(changed), f"the chain at {at} goes to {target}"


TIFFS: tuple[Mutation, ...] = (lie_in_a_tag, lie_in_a_tag, lie_in_a_tag, claim_a_size, bend_the_chain)


def list_bombs() -> list[Seed]:
    """Small files that stand for gigabytes: one strip, one tile, many, and none at all."""
    side, packed = 2**16, deflate_zeros(_BYTES_OF_BOMB)
    bombs = {
        "deflated strip of 4 GB": _bare(side, side, packed, {278: side, 259: 8}),
        "deflated tile of 4 GB": _bare(side, side, packed, {322: side, 323: side, 259: 8}),
        "4 GB in 100 x 100 pixels": _bare(100, 100, packed, {278: 100, 259: 8}),
        "4 GB of no strip": _bare(side, side, b"", {278: side, 259: 1}),
        "4 GB of no tile": _bare(side, side, b"", {322: side, 323: side, 259: 8}),
        "65535 x 65535 in 64 bytes": _bare(65_535, 65_535, bytes(64), {278: 65_535, 259: 1}),
        "2^62 pixels": _bare(2**31 - 1, 2**31 - 1, bytes(64), {278: 2**31 - 1, 259: 5}),
        "a million strips in one place": _bare(1000, 10**6, bytes(1000), {278: 1, 259: 1}, 10**6),
    }
    strip = bytes(20_000 * 200)
    encoders: dict[int, Callable[[bytes], bytes | bytearray]] = {
        8: imagecodecs.zlib_encode,
        50000: imagecodecs.zstd_encode,
        5: imagecodecs.lzw_encode,
    }
    # 129 is PackBits' word for the next byte 128 times
    encoders |= {32773: lambda plain: b"\x81\0" * (len(plain) // 128), 34925: imagecodecs.lzma_encode}
    for code, encode in encoders.items():
        data = _bare(20_000, 20_000, bytes(encode(strip)), {278: 200, 259: code}, 100)
        bombs[f"100 strips in one place, compression {code}"] = data
    return [Seed("TIFF", f"bomb: {name}", ".tif", {"": data}) for name, data in bombs.items()]


def deflate_zeros(count: int) -> bytes:
    """A multiple of 16 MB of zeros in zlib's format; packed once: a block that looks back at nothing may come again."""
    piece = 2**24
    packer = zlib.compressobj(9)
    packed = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (count % 65_521 << 16) + 1
    return packed[:2] + packed[2:] * (count // piece) + b"\x03\0" + struct.pack(">I", checksum)


def _bare(width: int, height: int, pixels: bytes, more: dict[int, int], segments: int = 1) -> bytes:
    """A classic TIFF of 8 bit whose strips or tiles are all the same bytes."""
    tags = {256: width, 257: height, 258: 8, 262: 1, 277: 1, **more}
    offset, count = (324, 325) if 322 in more else (273, 279)
    tags |= {offset: 8 if pixels else 0, count: len(pixels)}
    after = 8 + len(pixels)
    behind = b""
    if segments > 1:
        behind = struct.pack("<I", 8) * segments + struct.pack("<I", len(pixels)) * segments
        tags |= {offset: after, count: after + 4 * segments}
    lengths = {offset: segments, count: segments}
    entries = b"".join(struct.pack("<HHII", code, 4, lengths.get(code, 1), value) for code, value in sorted(tags.items()))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, after + len(behind)) + pixels + behind + directory


def _lie(changed: bytearray, layout: Layout, tag: Tag, random: Random) -> str:
    """Change one tag in place, and say how."""
    what = random.choice(("value", "value", "value", "value", "type", "count", "offset", "code"))
    field = tag.place + 4 + struct.calcsize(layout.offset)
    value = random.choice(_EXTREMES)
    match what:
        case "type":
            struct.pack_into(f"{layout.order}H", changed, tag.place + 2, value % 20)
        case "count":
            struct.pack_into(
                layout.order + layout.offset, changed, tag.place + 4, value % 2 ** (64 if layout.is_big else 32)
            )
        case "offset":
            value = random.choice((value, len(changed), len(changed) - 1, random.randrange(len(changed))))
            struct.pack_into(layout.order + layout.offset, changed, field, value % 2 ** (64 if layout.is_big else 32))
        case "code":
            struct.pack_into(f"{layout.order}H", changed, tag.place, value := random.choice(_TELLING))
        case _:
            value = random.choice(_COMPRESSIONS) if tag.code == 259 else value
            _set_one(changed, layout, tag, value, random)
    return f"{what} of tag {tag.code} is {value}"


def _set_one(changed: bytearray, layout: Layout, tag: Tag, value: int, random: Random) -> None:
    """One of the values of a tag, where they lie."""
    size = {1: 1, 2: 1, 3: 2, 6: 1, 7: 1, 8: 2, 16: 8, 17: 8, 18: 8}.get(tag.kind, 4)
    at = tag.at + size * random.randrange(max(1, min(tag.count, 100)))
    if at + size <= len(changed):
        changed[at : at + size] = (value % 2 ** (8 * size)).to_bytes(size, "little" if layout.order == "<" else "big")


def _set_inside(changed: bytearray, layout: Layout, tag: Tag, value: int) -> None:
    """The value of a tag of one, as a long integer in the entry itself."""
    struct.pack_into(f"{layout.order}H", changed, tag.place + 2, 4)
    field = tag.place + 4 + struct.calcsize(layout.offset)
    struct.pack_into(f"{layout.order}I", changed, field, value)
