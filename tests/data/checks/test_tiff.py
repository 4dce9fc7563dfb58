"""TIFF files: compressions, axes, photometric interpretations, pixel sizes, damage."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.checks.tiff import check_page_chain
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError

RAMP = np.arange(40 * 36, dtype=np.uint16).reshape(40, 36)  # all pixels differ, and so do the lengths of the axes
STACK = np.stack([RAMP, RAMP + 1, RAMP + 2])
GREY = RAMP.astype(np.uint8)

LOSSLESS = {
    "plain": {},
    "zlib": {"compression": "zlib"},
    "zlib with predictor": {"compression": "zlib", "predictor": True},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd"},
    "packbits": {"compression": "packbits"},
    "lzma": {"compression": "lzma"},
    "jpeg 2000": {"compression": "jpeg2000"},
    "strips": {"rowsperstrip": 8, "compression": "lzw"},
    "tiles": {"tile": (16, 16)},
    "deflated tiles": {"tile": (16, 16), "compression": "zlib"},
    "bigtiff": {"bigtiff": True},
    "big endian": {"byteorder": ">"},
    "big endian, zlib with predictor": {"byteorder": ">", "compression": "zlib", "predictor": True},
    "imagej": {"imagej": True},
    "ome": {"ome": True},
}


def tiff_bytes(pixels=RAMP, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pillow_bytes(pixels, **options):
    """As libtiff writes it: pixels first, tags at the end."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", **options)
    return buffer.getvalue()


def pyramid_bytes(ome=False, flat=False, marked=True):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, ome=ome) as writer:
        plain = {} if ome else {"metadata": None}
        writer.write(RAMP, subifds=None if flat else 1, **plain)
        writer.write(RAMP[::2, ::2], subfiletype=int(marked), **plain)
    return buffer.getvalue()


def read(tmp_path, data, name="a.tif"):
    path = tmp_path / name
    path.write_bytes(data)
    return read_plane(path)


@pytest.mark.parametrize("options", LOSSLESS.values(), ids=LOSSLESS)
def test_every_encoding_gives_the_same_plane(tmp_path, options):
    pixels = read(tmp_path, tiff_bytes(**options)).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, RAMP)


def test_jpeg_is_read_though_it_has_lost_something(tmp_path):
    plane = read(tmp_path, tiff_bytes(GREY, compression="jpeg"))
    assert (plane.pixels.shape, plane.pixels.dtype) == (GREY.shape, np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint32", "int32", "uint64", "float16", "float32", "float64"])
def test_types_are_kept(tmp_path, dtype):
    assert read(tmp_path, tiff_bytes(RAMP.astype(dtype))).pixels.dtype == dtype


@pytest.mark.parametrize(
    "data",
    [tiff_bytes(RAMP > 9), pillow_bytes(RAMP > 9), pillow_bytes(RAMP > 9, compression="group4")],
    ids=["tifffile", "pillow", "fax"],
)
def test_bilevel_becomes_zero_and_one(tmp_path, data):
    pixels = read(tmp_path, data).pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, RAMP > 9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_zero_that_means_white_is_inverted(tmp_path, dtype):
    stored = RAMP.astype(dtype)
    pixels = read(tmp_path, tiff_bytes(stored, photometric="miniswhite")).pixels
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, np.iinfo(dtype).max - stored)


def test_zero_that_means_white_is_inverted_within_the_bits_used(tmp_path):
    stored = RAMP % 4096
    pixels = read(tmp_path, tiff_bytes(stored, photometric="miniswhite", bitspersample=12)).pixels
    np.testing.assert_array_equal(pixels, 4095 - stored)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_zero_that_means_white_leaves_signed_values_alone(tmp_path, dtype):
    stored = RAMP.astype(dtype)
    np.testing.assert_array_equal(read(tmp_path, tiff_bytes(stored, photometric="miniswhite")).pixels, stored)


@pytest.mark.parametrize("shape", [(1, 40, 36), (1, 1, 40, 36), (40, 36, 1)])
def test_axes_of_length_one_are_dropped(tmp_path, shape):
    np.testing.assert_array_equal(read(tmp_path, tiff_bytes(RAMP.reshape(shape))).pixels, RAMP)


@pytest.mark.parametrize("window", [np.s_[:1], np.s_[:, :1]], ids=["row", "column"])
def test_a_single_row_or_column_is_a_plane(tmp_path, window):
    np.testing.assert_array_equal(read(tmp_path, tiff_bytes(RAMP[window])).pixels, RAMP[window])


@pytest.mark.parametrize(
    "data", [pyramid_bytes(), pyramid_bytes(ome=True), pyramid_bytes(flat=True)], ids=["inside", "ome", "as pages"]
)
def test_a_pyramid_is_read_in_full_size(tmp_path, data):
    np.testing.assert_array_equal(read(tmp_path, data).pixels, RAMP)


def test_one_plane_of_a_series_over_several_files_is_one_plane(tmp_path):
    name = '<UUID FileName="b.ome.tif">urn:uuid:2</UUID>'
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="36" SizeY="40" SizeZ="1" SizeC="1" SizeT="2"'
        ' PhysicalSizeX="0.5" PhysicalSizeY="0.25"><Channel ID="Channel:0:0"/>'
        '<TiffData FirstT="0" IFD="0"><UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
        f'<TiffData FirstT="1" IFD="0">{name}</TiffData></Pixels></Image></OME>'
    )
    for file in ("a.ome.tif", "b.ome.tif"):
        (tmp_path / file).write_bytes(tiff_bytes(RAMP, description=xml, metadata=None))
    plane = read_plane(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(plane.pixels, RAMP)
    assert plane.pixel_size_um == (0.25, 0.5)


@pytest.mark.parametrize(
    ("options", "axes"),
    [
        ({"photometric": "minisblack"}, "Q 3"),
        ({"photometric": "minisblack", "metadata": None}, "I 3"),
        ({"photometric": "minisblack", "metadata": {"axes": "TYX"}}, "T 3"),
        ({"metadata": {"axes": "ZYX"}, "photometric": "minisblack", "ome": True}, "Z 3"),
        ({"metadata": {"axes": "CYX"}, "imagej": True}, "C 3"),
    ],
    ids=["unknown", "pages", "time", "ome", "imagej"],
)
def test_a_stack_is_rejected_with_its_axes(tmp_path, options, axes):
    with pytest.raises(DataError, match=f"one grey plane, got a stack with axes {axes}, Y 40, X 36; save the plane"):
        read(tmp_path, tiff_bytes(STACK, **options))


def test_pages_that_the_metadata_leave_out_are_rejected(tmp_path):
    xml = tifffile.OmeXml()
    xml.addimage("uint16", (40, 36), (1, 1, 1, 40, 36, 1), axes="YX")
    data = tiff_bytes(STACK, photometric="minisblack", description=xml.tostring(), metadata=None)
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        assert tif.series[0].axes == "YX"  # tifffile would return the first page
    with pytest.raises(DataError, match="a stack with axes I 3"):
        read(tmp_path, data)


def two_images(second):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(RAMP)
        writer.write(second)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [two_images(RAMP[:20]), two_images(GREY), pyramid_bytes(flat=True, marked=False)],
    ids=["other size", "other type", "half the size but no pyramid"],
)
def test_several_images_are_rejected(tmp_path, data):
    with pytest.raises(DataError, match=r"got 2 images \(YX 40 x 36 and YX \d+ x \d+\); save the one to use"):
        read(tmp_path, data)


RGB = np.stack([GREY] * 3, -1)
RGB[3, 7] = 1, 2, 3
COLOURS = {
    "rgb": (tiff_bytes(RGB, photometric="rgb"), "RGB with red 1, green 2, blue 3 at row 3, column 7"),
    "rgb by channel": (tiff_bytes(np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate"), "RGB"),
    "rgba": (tiff_bytes(np.concatenate([RGB, RGB[..., :1]], -1), photometric="rgb"), "RGB"),
    "cmyk": (tiff_bytes(np.stack([GREY] * 4, -1), photometric="separated"), r"not grey \(photometric SEPARATED\)"),
    "jpeg": (tiff_bytes(RGB, photometric="ycbcr", compression="jpeg"), "not grey|RGB"),
    "palette": (
        tiff_bytes(GREY, photometric="palette", colormap=np.arange(768, dtype=np.uint16).reshape(3, 256)),
        "RGB with red 0, green 256, blue 512 at row 0, column 0",
    ),
    "sensor mosaic": (tiff_bytes(photometric=32803), r"not grey \(photometric CFA\)"),
}


@pytest.mark.parametrize(("data", "what"), COLOURS.values(), ids=COLOURS)
def test_colour_is_rejected(tmp_path, data, what):
    with pytest.raises(DataError, match=f"this is ({what}).*; convert it to one grey channel first"):
        read(tmp_path, data)


def test_a_film_of_colours_is_rejected_as_a_stack(tmp_path):
    with pytest.raises(DataError, match="a stack with axes Q 2, Y 40, X 36"):
        read(tmp_path, tiff_bytes(np.stack([RGB] * 2), photometric="rgb"))


def test_transparency_is_rejected(tmp_path):
    data = tiff_bytes(np.stack([GREY] * 2, -1), photometric="minisblack", extrasamples=["unassalpha"])
    with pytest.raises(DataError, match="must be opaque, got opacity 0 of 255 at row 0, column 0; save it without"):
        read(tmp_path, data)


def test_two_samples_that_are_no_opacity_are_rejected(tmp_path):
    data = tiff_bytes(
        np.stack([GREY] * 2, -1), photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"]
    )
    with pytest.raises(DataError, match="a stack with axes Y 40, X 36, S 2"):
        read(tmp_path, data)


PIXELS = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
    'DimensionOrder="XYZCT" Type="uint16" SizeX="36" SizeY="40" SizeZ="1" SizeC="1" SizeT="3" PhysicalSizeX="0.5" '
    'PhysicalSizeY="0.25"><Channel ID="Channel:0:0"/>{}</Pixels></Image></OME>'
)
LISTED = "".join(f'<TiffData FirstT="{index}" IFD="{index}"/>' for index in range(3))


@pytest.mark.parametrize("listed", ["<TiffData/>", LISTED], ids=["all", "each"])
def test_the_one_page_of_a_file_split_out_of_a_series_is_used_with_a_warning(tmp_path, listed, caplog):
    plane = read(tmp_path, tiff_bytes(description=PIXELS.format(listed), metadata=None), "a.ome.tif")
    np.testing.assert_array_equal(plane.pixels, RAMP)
    assert plane.pixel_size_um == (0.25, 0.5)
    with open_stack(tmp_path / "a.ome.tif") as stack:
        assert (stack.axes, stack.shape, stack.pixel_size_um) == ("YX", (40, 36), (0.25, 0.5))
        np.testing.assert_array_equal(stack.read(), RAMP)
    words = f"{tmp_path}/a.ome.tif: the OME-XML lists 3 planes, the file has 1 page; this page is used"
    assert [record.getMessage() for record in caplog.records] == [words]


WHOLE_BATCH = {name: tiff_bytes(GREY, **options) for name, options in LOSSLESS.items()} | {
    "jpeg": tiff_bytes(GREY, compression="jpeg"),
    "bilevel": tiff_bytes(GREY > 9),
    "pyramid": pyramid_bytes(),
    "flat pyramid": pyramid_bytes(flat=True),
    "tags last": pillow_bytes(GREY, compression="tiff_lzw", dpi=(100, 100)),
    "tags last, deflate": pillow_bytes(GREY, compression="tiff_adobe_deflate"),
    "tags last, fax": pillow_bytes(GREY > 9, compression="group4"),
}


@pytest.mark.parametrize("data", WHOLE_BATCH.values(), ids=WHOLE_BATCH)
def test_a_file_that_is_cut_off_is_rejected_wherever_it_ends(tmp_path, data):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    read_plane(path)
    steps = len(data) // 40
    # the start, even steps, and the last bytes, where decoders are most tolerant
    for length in [*range(1, 10), *range(10, len(data), steps), *range(len(data) - 20, len(data))]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match="cannot be read as TIFF") as caught:
            read_plane(path)
        assert "\n" not in str(caught.value)


def test_damage_within_the_compressed_bytes_is_rejected(tmp_path):
    data = tiff_bytes(compression="zlib")
    with pytest.raises(DataError, match="cannot be read as TIFF"):
        read(tmp_path, data[:-60] + bytes(60))


def test_what_is_no_tiff_is_rejected(tmp_path):
    with pytest.raises(DataError, match=r"a\.tif: cannot be read as TIFF \(not a TIFF file"):
        read(tmp_path, b"\x89PNG but named otherwise")


def with_first_tile_at(tmp_path, offset, count):
    path = tmp_path / "sparse.tif"
    path.write_bytes(tiff_bytes(RAMP + 1, tile=(16, 16), compression="zlib"))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        page = tif.pages[0]
        page.tags["TileOffsets"].overwrite([offset, *page.dataoffsets[1:]])
        page.tags["TileByteCounts"].overwrite([count, *page.databytecounts[1:]])
    return path


def test_a_tile_left_out_on_purpose_is_zero(tmp_path):
    pixels = read_plane(with_first_tile_at(tmp_path, 0, 0)).pixels
    assert not pixels[:16, :16].any()
    np.testing.assert_array_equal(pixels[16:], RAMP[16:] + 1)


@pytest.mark.parametrize(("offset", "count"), [(0, 100), (500, 0)])
def test_a_tile_that_is_half_left_out_is_damage(tmp_path, offset, count):
    with pytest.raises(DataError, match="strip or tile is missing"):
        read_plane(with_first_tile_at(tmp_path, offset, count))


def test_a_tile_beyond_the_end_is_damage(tmp_path):
    with pytest.raises(DataError, match="cut off"):
        read_plane(with_first_tile_at(tmp_path, 9_999_999, 100))


def ome(**sizes):
    return {"ome": True, "metadata": {"axes": "YX", **sizes}}


def imagej(unit, **more):
    return {"imagej": True, "resolution": (2.0, 4.0), "metadata": {"unit": unit, **more}}


SIZES = {
    "nothing": ({}, None),
    "ome": (ome(PhysicalSizeX=0.5, PhysicalSizeY=0.25), (0.25, 0.5)),
    "ome nm": (ome(PhysicalSizeX=500, PhysicalSizeXUnit="nm", PhysicalSizeY=0.25), (0.25, 0.5)),
    "ome mm": (ome(PhysicalSizeX=2, PhysicalSizeXUnit="mm", PhysicalSizeY=1, PhysicalSizeYUnit="mm"), (1000.0, 2000.0)),
    "ome pixel": (ome(PhysicalSizeX=1, PhysicalSizeXUnit="pixel", PhysicalSizeY=1), None),
    "ome of words": (ome(PhysicalSizeX=0.5, PhysicalSizeY="unknown"), None),
    "ome without Y": (ome(PhysicalSizeX=0.5), None),
    "ome before resolution": (
        {**ome(PhysicalSizeX=0.5, PhysicalSizeY=0.25), "resolution": (1, 1), "resolutionunit": "CENTIMETER"},
        (0.25, 0.5),
    ),
    "imagej um": (imagej("um"), (0.25, 0.5)),
    "imagej µm": (imagej("\\u00B5m"), (0.25, 0.5)),
    "imagej micron": (imagej("micron"), (0.25, 0.5)),
    "imagej nm": ({**imagej("nm"), "resolution": (0.002, 0.004)}, (0.25, 0.5)),
    "imagej cm": (imagej("cm"), (2500.0, 5000.0)),
    "imagej two units": (imagej("um", yunit="mm"), (250.0, 0.5)),
    "imagej pixel": (imagej("pixel"), None),
    "imagej inch": (imagej("inch"), None),
    "centimetres": ({"resolution": (20000, 40000), "resolutionunit": "CENTIMETER"}, (0.25, 0.5)),
    "inches": ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
    "no unit": ({"resolution": (300, 300), "resolutionunit": "NONE"}, None),
    "zero": ({"resolution": ((0, 1), (0, 1)), "resolutionunit": "CENTIMETER"}, None),
}


@pytest.mark.parametrize(("options", "size"), SIZES.values(), ids=SIZES)
def test_pixel_size(tmp_path, options, size):
    got = read(tmp_path, tiff_bytes(**options)).pixel_size_um
    assert got == (None if size is None else pytest.approx(size))


def lying(tmp_path, code, value, **options):
    """A file with a wrong tag."""
    path = tmp_path / "cell.tif"
    path.write_bytes(tiff_bytes(metadata=None, **options))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags[code].overwrite(value)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["plain", "deflated"])
def test_tiles_that_the_file_does_not_have_are_not_black(tmp_path, options):
    path = lying(tmp_path, 257, 80, tile=(16, 16), **options)
    assert (tifffile.imread(path)[48:] == 0).all()
    with pytest.raises(DataError, match=r"it has 9 strips or tiles of 15"):
        read_plane(path)


@pytest.mark.parametrize(
    ("code", "options", "words"),
    [
        (257, {"tile": (16, 16), "compression": "zlib"}, "an image that is read whole"),
        (323, {"tile": (16, 16), "compression": "zlib"}, "a strip or tile"),
    ],
)
def test_a_size_beyond_memory_is_rejected_before_decoding(tmp_path, code, options, words):
    path = lying(tmp_path, code, 2**24, **options)
    with pytest.raises(DataError, match=rf"{words} must have at most 134217728 pixels, .* save it in smaller pieces"):
        read_plane(path)


def test_a_png_inside_that_is_damaged_is_rejected_without_output_of_its_decoder(tmp_path, capfd):
    data = bytearray(tiff_bytes(compression="png", metadata=None))
    at = data.index(b"IDAT") + 60
    data[at] ^= 255
    (tmp_path / "cell.tif").write_bytes(data)
    with pytest.raises(DataError, match="does not match its checksum"):
        read_plane(tmp_path / "cell.tif")
    assert capfd.readouterr() == ("", "")


def test_what_a_tag_says_is_shown_without_control_characters(tmp_path):
    path = tmp_path / "cell.tif"
    path.write_bytes(tiff_bytes(metadata=None))
    data = path.read_bytes().replace(b"\x06\x01\x03\0\x01\0\0\0\x01\0", b"\x06\x01\x02\0\x02\0\0\0\x1b\0")
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"this is not grey \(photometric \\x1b\)"):
        read_plane(path)


MAKINGS = {
    "little": {},
    "big": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "big BigTIFF": {"bigtiff": True, "byteorder": ">"},
}


def movie(path, **options):
    tifffile.imwrite(path, np.zeros((3, 8, 9), np.uint8), photometric="minisblack", metadata=None, **options)
    with tifffile.TiffFile(path) as tif:
        places = [page.offset for page in tif.pages]
        tags = len(tif.pages[2].tags)
        sizes = (tif.tiff.tagnosize, tif.tiff.tagsize, tif.tiff.offsetformat)
    return path, places, places[2] + sizes[0] + tags * sizes[1], sizes[2]


@pytest.mark.parametrize("options", MAKINGS.values(), ids=MAKINGS)
@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_a_loop_is_rejected(tmp_path, options, back_to):
    path, places, last, letter = movie(tmp_path / "a.tif", **options)
    check_page_chain(path)
    data = bytearray(path.read_bytes())
    struct.pack_into(letter, data, last, places[back_to])
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"form a loop: the one at byte {places[back_to]} comes twice"):
        check_page_chain(path)
    for read in (read_plane, open_stack):  # tifffile itself never ends
        with pytest.raises(DataError, match=r"cannot be read as TIFF .*loop"):
            read(path)


@pytest.mark.parametrize("data", [b"", b"II*", b"II*\0\xff\xff\xff\xff" + bytes(20), b"PNG of some length indeed"])
def test_other_damage_is_left_to_the_reader(tmp_path, data):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    check_page_chain(path)
