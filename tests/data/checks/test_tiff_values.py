"""Values of a TIFF by its photometric interpretation and its writer, read whole and in parts."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.errors import DataError
from livecell_monai.sample import Region
from tests.support.plane_files import GREY, RAMP

MASK = RAMP % 36 < 3
IDS = (np.arange(40)[:, None] // 9 * MASK).astype(np.uint16)
PART = Region(3, 5, 38, 30)
WHITE = {262: 0}  # PhotometricInterpretation: zero is white


def check(path, expected):
    """An image, whole and in parts."""
    np.testing.assert_array_equal(read_image(path).pixels, expected)
    with open_stack(path) as stack:
        assert stack.dtype == expected.dtype
        np.testing.assert_array_equal(stack.read(), expected)
        np.testing.assert_array_equal(stack.read(region=PART), PART.crop(expected))


@pytest.mark.parametrize(
    "compression", [None, "group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits", "tiff_adobe_deflate"]
)
@pytest.mark.parametrize("tags", [{}, WHITE], ids=["black", "white"])
def test_bilevel_of_pillow(tmp_path, compression, tags):
    Image.fromarray(MASK).save(tmp_path / "a.tif", compression=compression, tiffinfo=tags)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.tif")), MASK)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), MASK)
    check(tmp_path / "a.tif", MASK.astype(np.uint8))


BILEVEL = [{}, {"metadata": None}, {"software": "other"}, {"ome": True, "software": "other"}, {"photometric": "minisblack"}]


@pytest.mark.parametrize("options", [*BILEVEL, {"photometric": "miniswhite", "compression": "zlib"}], ids=str)
def test_bilevel_of_tifffile_is_as_given(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", MASK, **options)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), MASK)
    check(tmp_path / "a.tif", MASK.astype(np.uint8))


@pytest.mark.parametrize("options", [{}, {"imagej": True}], ids=["tifffile", "imagej"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_ids_of_a_file_whose_zero_is_white_are_as_given(tmp_path, options, dtype):
    ids = IDS.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", ids, photometric="miniswhite", **options)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), ids)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_ids_of_pillow_whose_zero_is_white_are_as_given(tmp_path, dtype):
    """Pillow inverts 8 bits when it writes them, but not 16."""
    ids = IDS.astype(dtype)
    Image.fromarray(ids).save(tmp_path / "a.tif", tiffinfo=WHITE)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), ids)


def test_a_mask_of_16_bits_whose_zero_is_white_is_as_given(tmp_path):
    """No program inverts 16 bits; of a mask of 0 and 65535, the inverted values would be valid too."""
    mask = MASK.astype(np.uint16) * np.uint16(65535)
    Image.fromarray(mask).save(tmp_path / "a.tif", tiffinfo=WHITE)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), mask)


def test_a_mask_of_8_bits_of_pillow_whose_zero_is_white(tmp_path):
    mask = MASK.astype(np.uint8) * np.uint8(255)
    Image.fromarray(mask).save(tmp_path / "a.tif", tiffinfo=WHITE)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), mask)
    check(tmp_path / "a.tif", mask)


COLOURS = {
    "rgb": ([0, 0, 0], {"photometric": "rgb"}),
    "planes": ([0, 0, 0], {"photometric": "rgb", "planarconfig": "separate"}),
    "rgba": ([0, 0, 0, 1], {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "grey with opacity": ([0, 1], {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    "imagej": ([0, 0, 0], {"photometric": "rgb", "imagej": True}),
    "ome": ([0, 0, 0], {"photometric": "rgb", "ome": True}),
}
LAYOUTS = [{}, {"compression": "zlib", "rowsperstrip": 7}, {"tile": (16, 32)}, {"tile": (16, 32), "compression": "lzw"}]


def write_colours(path, pixels, kinds, options):
    opaque = np.full_like(pixels, np.iinfo(pixels.dtype).max)
    samples = np.stack([opaque if kind else pixels for kind in kinds], 0 if "planarconfig" in options else -1)
    tifffile.imwrite(path, samples, **options)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["rows", "strips", "tiles", "lzw tiles"])
@pytest.mark.parametrize(("kinds", "options"), COLOURS.values(), ids=COLOURS)
@pytest.mark.parametrize("pixels", [GREY, RAMP * 40], ids=["8 bit", "16 bit"])
def test_grey_saved_as_colour_is_grey(tmp_path, pixels, kinds, options, layout):
    if "imagej" in options and (layout or pixels.itemsize > 1):
        pytest.skip("ImageJ has no such file")
    write_colours(tmp_path / "a.tif", pixels, kinds, {**options, **layout})
    check(tmp_path / "a.tif", pixels)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), pixels)


def test_a_movie_of_grey_saved_as_colour(tmp_path):
    movie = np.stack([GREY, GREY[::-1], GREY[:, ::-1]])
    tifffile.imwrite(tmp_path / "a.tif", np.stack([movie] * 3, -1), photometric="rgb", metadata={"axes": "TYXS"})
    with open_stack(tmp_path / "a.tif") as stack:
        assert (stack.axes, stack.shape) == ("TYX", (3, 40, 36))
        np.testing.assert_array_equal(stack.read(2, region=PART), PART.crop(movie[2]))


def test_colour_is_rejected_with_its_first_pixel_in_parts_too(tmp_path):
    pixels = np.stack([GREY] * 3, -1)
    pixels[20, 9] = 1, 2, 3
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(16, 16), compression="zlib")
    words = r"a\.tif: .* this is RGB with red 1, green 2, blue 3 at row 20, column 9; convert it to one grey channel first"
    with pytest.raises(DataError, match=words):
        read_image(tmp_path / "a.tif")
    with open_stack(tmp_path / "a.tif") as stack:
        stack.read(region=Region(0, 0, 16, 36))
        with pytest.raises(DataError, match=words):
            stack.read(region=PART)


RAINBOW = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)]).astype(np.uint16) * 257
GREYS = np.stack([255 - np.arange(256)] * 3).astype(np.uint16)


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_a_grey_palette_gives_its_values(tmp_path, scale):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=GREYS * np.uint16(scale))
    check(tmp_path / "a.tif", 255 - GREY)


def test_a_grey_palette_of_16_bits(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=GREYS * np.uint16(200))
    check(tmp_path / "a.tif", (255 - GREY).astype(np.uint16) * np.uint16(200))


def test_a_coloured_palette_names_the_ids_of_a_label(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=RAINBOW)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), GREY)
    with pytest.raises(DataError, match="this is RGB with red 0, green 255, blue 7 at row 0, column 0"):
        read_image(tmp_path / "a.tif")


def test_a_look_up_table_of_imagej_changes_only_the_display(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", GREY, photometric="palette", colormap=RAINBOW, description="ImageJ=1.54f\n", metadata=None
    )
    check(tmp_path / "a.tif", GREY)
    np.testing.assert_array_equal(read_label(tmp_path / "a.tif"), GREY)
