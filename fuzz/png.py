"""PNG by our own hands: chunks with right checksums, and the grey values that they stand for."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
Chunk = tuple[bytes, bytes]
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # y, x, dy, dx


def join_chunks(chunks: Sequence[Chunk]) -> bytes:
    """A file of chunks (type, content), each with its length and checksum."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def split_chunks(data: bytes) -> list[Chunk] | None:
    """The chunks of a file from IHDR to IEND, None where one is damaged, or one is missing."""
    if not data.startswith(SIGNATURE):
        return None
    chunks, at = [], len(SIGNATURE)
    while True:
        head = data[at : at + 8]
        if len(head) < 8:
            return None
        length, kind = struct.unpack(">I4s", head)
        content, checksum = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if len(checksum) < 4 or struct.unpack(">I", checksum)[0] != zlib.crc32(kind + content):
            return None
        chunks.append((kind, content))
        if kind == b"IEND":
            return chunks
        at += 12 + length


def write_png(pixels: NDArray[Any], bits: int, interlaced: bool = False) -> bytes:
    """A grey PNG of (Y, X) values below 2^bits, its pixels in two chunks."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + _pack(row, bits) for top, left, down, right in passes for row in pixels[top::down, left::right] if row.size
    )
    packed = zlib.compress(rows)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, 0, 0, 0, int(interlaced))
    half = len(packed) // 2
    return join_chunks([(b"IHDR", head), (b"IDAT", packed[:half]), (b"IDAT", packed[half:]), (b"IEND", b"")])


def decode_png(data: bytes, most: int = 10**6) -> NDArray[Any] | None:
    """The values (Y, X) of a grey PNG, None where it is damaged, no grey one, or has more than so many pixels.

    Those of 2 and 4 bits are spread over 8, as the standard asks of who shows them; those of 1 bit are 0 and 1.
    """
    chunks = split_chunks(data)
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        return None
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if colour or bits not in (1, 2, 4, 8, 16) or interlaced > 1 or not 0 < width * height <= most:
        return None
    packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
    reader = zlib.decompressobj(-15)  # without the checksum, which those of the chunks make up for
    try:
        rows = reader.decompress(packed[2:], 4 * most)
    except zlib.error:
        return None
    pixels = np.zeros((height, width), np.uint16)
    for top, left, down, right in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = pixels[top::down, left::right]
        if not part.size:
            continue
        used = _decode_rows(rows, part, bits)
        if used is None:
            return None
        rows = rows[used:]
    return pixels if bits == 16 else pixels.astype(np.uint8) * np.uint8({2: 85, 4: 17}.get(bits, 1))


def _decode_rows(rows: bytes, part: NDArray[Any], bits: int) -> int | None:
    """Fill a part with filtered rows; how many bytes they were, None where there are too few or a filter is unknown."""
    length = -(-part.shape[1] * bits // 8)
    step = max(1, bits // 8)
    before = bytes(length)
    for number in range(part.shape[0]):
        line = rows[number * (length + 1) : (number + 1) * (length + 1)]
        if len(line) <= length or line[0] > 4:
            return None
        before = _unfilter(line[0], line[1:], before, step)
        part[number] = _unpack(before, bits, part.shape[1])
    return int(part.shape[0] * (length + 1))


def _unfilter(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    """One row without its filter. Source: PNG specification, 9.2."""
    out = bytearray(line)
    for i in range(len(out)):
        a = out[i - step] if i >= step else 0
        b, c = above[i], above[i - step] if i >= step else 0
        p = a + b - c
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        out[i] = (out[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
    return bytes(out)


def _pack(row: NDArray[Any], bits: int) -> bytes:
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    each = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.astype(np.uint8).ravel()).tobytes()


def _unpack(line: bytes, bits: int, count: int) -> NDArray[Any]:
    if bits >= 8:
        return np.frombuffer(line, f">u{bits // 8}")[:count]
    each = np.unpackbits(np.frombuffer(line, np.uint8)).reshape(-1, bits)
    values: NDArray[Any] = (each.astype(np.uint16) @ (1 << np.arange(bits - 1, -1, -1)))[:count]
    return values
