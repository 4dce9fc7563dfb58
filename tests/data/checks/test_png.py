"""Damaged PNGs that Pillow accepts."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.checks.png import SIGNATURE, check_png, check_png_pixels
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError

GREY = np.arange(40 * 36, dtype=np.uint16).reshape(40, 36)
HEAD = (36, 40, 16, 0, 0, 0, 0)  # width, height, bits, colour, compression, filter, interlacing
ROWS = b"".join(b"\0" + row.astype(">u2").tobytes() for row in GREY)


def png(head=HEAD, rows=ROWS, packed=None):
    packed = zlib.compress(rows) if packed is None else packed
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *head)), (b"IDAT", packed[:500]), (b"IDAT", packed[500:]), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def check_rejected(tmp_path, data, words):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=words):
        read_plane(path)


def test_an_intact_one_is_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    np.testing.assert_array_equal(read_plane(path).pixels, GREY)
    check_png(png())
    check_png_pixels(png())


def test_pixels_that_changed_on_the_way_are_found(tmp_path):
    stored = bytearray(png(packed=zlib.compress(ROWS, 0)))  # not compressed: only the checksum finds it
    stored[700] ^= 1
    check_rejected(tmp_path, stored, "the chunk at byte 33 does not match its checksum|at byte 545 does not match")


def test_rows_that_are_not_there_are_not_black(tmp_path):
    data = png(rows=ROWS[: len(ROWS) // 2])
    with Image.open(io.BytesIO(png((36, 40, 2, 0, 0, 0, 0), bytes(200)))) as picture:
        picture.load()  # Pillow accepts it: ten bytes a row, of twenty rows
    check_rejected(tmp_path, png((36, 40, 2, 0, 0, 0, 0), bytes(200)), r"its rows need 400 bytes and have 200")
    check_rejected(tmp_path, data, "its rows need 2920 bytes and have 1460|truncated")


@pytest.mark.parametrize(
    ("field", "value"), [(2, 3), (2, 0), (3, 1), (3, 5), (4, 1), (5, 1), (6, 2), (6, 7)], ids=lambda value: str(value)
)
def test_a_header_that_no_png_may_have_is_rejected(tmp_path, field, value):
    head = [*HEAD]
    head[field] = value
    check_rejected(tmp_path, png(head), "its header states")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 36), (2, 9)])
def test_interlaced_rows_are_counted(bits, size):
    height, width = size
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b"".join(
        bytes(1 + -(-len(range(left, width, right)) * bits // 8))
        for top, left, down, right in passes
        for _ in range(top, height, down)
        if left < width
    )
    check_png_pixels(png((width, height, bits, 0, 0, 0, 1), rows))
    with pytest.raises(ValueError, match="its rows need"):
        check_png_pixels(png((width, height, bits, 0, 0, 0, 1), rows[:-1]))


def test_no_png_is_no_png():
    with pytest.raises(ValueError, match="it has no PNG signature"):
        check_png(b"GIF89a")
