"""Images of requests: which become a file, and which are rejected before decoding."""

import base64
import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers.kinds import read_image
from livecell_monai.data.readers.served_images import write_served_image
from livecell_monai.errors import DataError

RAMP = np.arange(40 * 36, dtype=np.uint16).reshape(40, 36)  # all pixels differ, and so do the lengths of the axes


def encoded(kind, pixels=RAMP):
    buffer = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(buffer, pixels)
    elif kind == "BigTIFF":
        tifffile.imwrite(buffer, pixels, bigtiff=True, byteorder=">")
    else:
        Image.fromarray(pixels).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(("kind", "suffix"), [("TIFF", ".tif"), ("BigTIFF", ".tif"), ("PNG", ".png")])
def test_a_file_is_kept_as_it_is(tmp_path, kind, suffix):
    path = write_served_image(encoded(kind), tmp_path, "cell")
    assert path == tmp_path / f"cell{suffix}"
    np.testing.assert_array_equal(read_image(path).pixels, RAMP)


def test_a_jpeg(tmp_path):
    path = write_served_image(encoded("JPEG", RAMP.astype(np.uint8)), tmp_path, "cell")
    assert read_image(path).pixels.shape == (40, 36)


def test_base64_in_lines(tmp_path):
    lines = base64.encodebytes(base64.b64decode(encoded("PNG"))).decode()
    assert "\n" in lines.strip()
    np.testing.assert_array_equal(read_image(write_served_image(lines, tmp_path, "cell")).pixels, RAMP)


@pytest.mark.parametrize("image", [RAMP.tolist(), RAMP, RAMP.astype(np.float32), (RAMP / 3).tolist()])
def test_numbers_become_a_file_of_the_same_values(tmp_path, image):
    pixels = read_image(write_served_image(image, tmp_path, "cell")).pixels
    assert pixels.dtype == np.float64
    np.testing.assert_array_equal(pixels, image)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("###", "text must be a file in base64, it is not"),
        ("naïve", "text must be a file in base64, it is not"),
        ("aGVsbG8=", "must be a TIFF, PNG or JPEG, got 5 bytes that begin with b'hello'"),
        ("", "must be a TIFF, PNG or JPEG, got nothing"),
        ([[1, 2], [3]], "got rows that differ in length"),
        ([[1, 2], ["a", "b"]], "got 2 axes of text"),
        ([[None, 1]], "got 2 axes of object"),
        ([[True, False]], "got 2 axes of bool"),
        ([1, 2, 3], "got 1 axes of int64"),
        ([[[1, 2], [3, 4]]], "got 3 axes of int64"),
        ([], "got 1 axes"),
        ([[]], "got 2 axes"),
        (None, "got 0 axes of object"),
        ({"pixels": 1}, "got 0 axes of object"),
    ],
)
def test_what_is_no_image_is_rejected_in_one_line(tmp_path, image, words):
    with pytest.raises(DataError, match=r"^cell: ") as caught:
        write_served_image(image, tmp_path, "cell")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("image", [encoded("TIFF"), encoded("PNG"), RAMP.tolist()], ids=["tiff", "png", "numbers"])
def test_too_many_pixels_are_rejected(tmp_path, image):
    write_served_image(image, tmp_path, "cell", most_pixels=40 * 36)
    with pytest.raises(DataError, match="must have at most 1439 pixels, got 1440; cut it up"):
        write_served_image(image, tmp_path, "cell", most_pixels=40 * 36 - 1)


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_a_bomb_is_rejected_by_its_header(tmp_path, kind):
    buffer = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(buffer, np.zeros((8200, 8200), np.uint8), compression="zlib")
    else:
        Image.new("1", (8200, 12_000)).save(buffer, "PNG")  # more than Pillow itself would open without a warning
    assert len(buffer.getvalue()) < 300_000
    with pytest.raises(DataError, match=r"must have at most 67108864 pixels, got \d{8}; cut it up"):
        write_served_image(base64.b64encode(buffer.getvalue()).decode(), tmp_path, "cell")


def test_a_tile_counts_whole(tmp_path):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, RAMP, tile=(512, 512), compression="zlib")
    image = base64.b64encode(buffer.getvalue()).decode()
    write_served_image(image, tmp_path, "cell", most_pixels=512 * 512)
    with pytest.raises(DataError, match="at most 262143 pixels, got 262144"):
        write_served_image(image, tmp_path, "cell", most_pixels=512 * 512 - 1)


def test_a_header_that_cannot_be_read(tmp_path):
    cut = base64.b64encode(base64.b64decode(encoded("PNG"))[:20]).decode()
    with pytest.raises(DataError, match="cannot be read as an image"):
        write_served_image(cut, tmp_path, "cell")
