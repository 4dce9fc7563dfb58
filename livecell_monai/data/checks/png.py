"""Checks of a PNG that Pillow omits: checksums of pixels, invalid header values, a missing end."""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # bits by colour type
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # y, x, dy, dx
_PIECE = 2**20  # bytes decompressed at once


def check_png(data: bytes) -> None:
    """Reject, by a ValueError, what is no PNG, a chunk that is cut off or damaged, and an invalid header."""
    if not data.startswith(SIGNATURE):
        raise ValueError("it has no PNG signature")
    for at, kind, content in _list_chunks(data):
        if at > len(SIGNATURE):
            continue
        if kind != b"IHDR" or len(content) != 13:
            raise ValueError("its first chunk is not its header")
        bits, colour, compression, filtering, interlacing = content[8:]
        if bits not in _DEPTHS.get(colour, ()) or compression or filtering or interlacing > 1:
            raise ValueError(f"its header states {bits} bits, colour type {colour}, interlacing {interlacing}")


def bits_of(data: bytes) -> int:
    """The bits of a sample, by the header of an intact PNG."""
    return data[24]


def check_png_pixels(data: bytes) -> None:
    """Reject, by a ValueError, an intact PNG with fewer rows than its header states, which Pillow would fill with black."""
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    channels = {2: 3, 4: 2, 6: 4}.get(colour, 1)
    parts = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - left) // right), -(-(height - top) // down)) for top, left, down, right in parts]
    needed = sum(rows * (1 + -(-columns * bits * channels // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
    decompressor, count = zlib.decompressobj(), 0
    for rest in (content for _, kind, content in _list_chunks(data) if kind == b"IDAT"):
        while rest and count < needed and not decompressor.eof:
            count += len(decompressor.decompress(rest, _PIECE))
            rest = decompressor.unconsumed_tail
    if count < needed:
        raise ValueError(f"the file is cut off: its rows need {needed} bytes and have {count}")


def _list_chunks(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Place, kind and content of each chunk up to IEND, each checked against its checksum."""
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", view[at : at + 8].tobytes().ljust(8, b"\0"))
        body = view[at + 4 : at + 8 + length]
        checksum = view[at + 8 + length : at + 12 + length]
        if len(checksum) < 4:
            raise ValueError("the file is cut off: its last chunk is missing")
        if int.from_bytes(checksum, "big") != zlib.crc32(body):
            raise ValueError(f"the chunk at byte {at} does not match its checksum")
        yield at, kind, body[4:].tobytes()
        at += 12 + length
