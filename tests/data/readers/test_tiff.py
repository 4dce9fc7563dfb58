"""TIFF stacks: axes, pages, strips, tiles, metadata, damage."""

import contextlib

import numpy as np
import pytest
import tifffile

from livecell_monai.data.checks import limits as planes
from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region
from tests.support.stack_files import HYPERSTACK, SHAPE, write_ome_tiff

MOVIE = HYPERSTACK[:, 0, 0]  # (T, Y, X)
PART = Region(7, 3, 33, 30)
PLAIN = {"photometric": "minisblack", "metadata": {"axes": "TYX"}}
MAKINGS = {
    "plain": {},
    "strips": {"rowsperstrip": 7, "compression": "zlib"},
    "lzw with predictor": {"compression": "lzw", "predictor": True, "rowsperstrip": 16},
    "tiles": {"tile": (16, 16)},
    "deflated tiles": {"tile": (16, 32), "compression": "zstd"},
    "jpeg 2000 tiles": {"tile": (16, 16), "compression": "jpeg2000"},
    "big endian": {"byteorder": ">"},
    "big endian, deflated": {"byteorder": ">", "compression": "zlib", "predictor": True},
    "bigtiff": {"bigtiff": True, "tile": (16, 16), "compression": "zlib"},
    "one page for all": {"truncate": True},
}


def write(path, pixels=MOVIE, **options):
    tifffile.imwrite(path, pixels, **{**PLAIN, **options})
    return path


@pytest.mark.parametrize("options", MAKINGS.values(), ids=MAKINGS)
def test_every_encoding_gives_the_same_planes_and_parts(tmp_path, options):
    with open_stack(write(tmp_path / "a.tif", **options)) as stack:
        assert (stack.axes, stack.shape) == ("TYX", MOVIE.shape)
        for time in (2, 0, 1):
            for region in (None, PART, Region(0, 0, 40, 36)):
                got = stack.read(time, region=region)
                np.testing.assert_array_equal(got, MOVIE[time] if region is None else region.crop(MOVIE[time]))
                assert got.dtype == np.uint16
                assert got.dtype.isnative
                assert got.flags.c_contiguous
                assert got.flags.writeable


def test_jpeg_tiles_share_their_tables(tmp_path):
    pixels = MOVIE.astype(np.uint8)
    with open_stack(write(tmp_path / "a.tif", pixels, tile=(16, 16), compression="jpeg")) as stack:
        np.testing.assert_array_equal(stack.read(1, region=PART), PART.crop(stack.read(1)))


@pytest.mark.parametrize("levels", [1, 2])
def test_a_pyramid_is_read_in_full_size(tmp_path, levels):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"photometric": "minisblack", "tile": (16, 16)}
        writer.write(MOVIE, subifds=levels, metadata={"axes": "TYX"}, **options)
        for level in range(levels):
            step = 2 ** (level + 1)
            writer.write(MOVIE[:, ::step, ::step], subfiletype=1, **options)
    with open_stack(path) as stack:
        assert (stack.shape[0], stack.shape[-2:]) == (3, (40, 36))
        np.testing.assert_array_equal(stack.read(2, region=PART), PART.crop(MOVIE[2]))


def test_bilevel_and_white_zero_are_inverted_as_in_files_of_one_plane(tmp_path):
    with open_stack(write(tmp_path / "a.tif", MOVIE > 9)) as stack:
        assert stack.dtype == np.uint8
        np.testing.assert_array_equal(stack.read(0), MOVIE[0] > 9)
        np.testing.assert_array_equal(stack.read(0, region=PART), PART.crop(MOVIE[0] > 9))
    with open_stack(write(tmp_path / "b.tif", photometric="miniswhite")) as stack:
        np.testing.assert_array_equal(stack.read(1, region=PART), 65535 - PART.crop(MOVIE[1]))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_label_keeps_its_ids_as_in_files_of_one_plane(kind, tmp_path):
    ids = (MOVIE * 7).astype(kind)
    colours = np.stack([np.arange(2 ** (8 * ids.itemsize)) % 256] * 3).astype(np.uint16) * 257
    colours[1] = 0
    for options in ({"photometric": "miniswhite"}, {"photometric": "palette", "colormap": colours}):
        with open_stack(write(tmp_path / "a.tif", ids, **options), is_label=True) as stack:
            np.testing.assert_array_equal(stack.read(1), ids[1])
            np.testing.assert_array_equal(stack.read(1, region=PART), PART.crop(ids[1]))


def spoil(path, page, segment):
    """Overwrite the bytes of a strip or tile."""
    with tifffile.TiffFile(path) as tif:
        start, count = tif.pages[page].dataoffsets[segment], tif.pages[page].databytecounts[segment]
    data = bytearray(path.read_bytes())
    data[start : start + count] = b"\xff" * count
    path.write_bytes(data)


@pytest.mark.parametrize("options", [{"rowsperstrip": 10}, {"tile": (16, 48)}], ids=["strips", "tiles"])
def test_a_part_touches_no_other_strip_or_tile(tmp_path, options):
    path = write(tmp_path / "a.tif", compression="zlib", **options)
    spoil(path, 1, 2)  # from row 20 or 32 on
    with open_stack(path) as stack:
        above = Region(0, 0, 20, 36)
        np.testing.assert_array_equal(stack.read(1, region=above), above.crop(MOVIE[1]))
        np.testing.assert_array_equal(stack.read(0), MOVIE[0])
        for region in (None, Region(0, 0, 33, 36)):
            with pytest.raises(DataError, match=r"a\.tif \(frame 1\): cannot be read as TIFF \("):
                stack.read(1, region=region)


def test_a_tile_left_out_on_purpose_is_zero(tmp_path):
    path = write(tmp_path / "a.tif", MOVIE + 1, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        page = tif.pages[0]
        page.tags["TileOffsets"].overwrite([0, *page.dataoffsets[1:]])
        page.tags["TileByteCounts"].overwrite([0, *page.databytecounts[1:]])
    with open_stack(path) as stack:
        assert not stack.read(0, region=Region(0, 0, 16, 16)).any()
        np.testing.assert_array_equal(stack.read(0, region=Region(10, 10, 30, 30))[6:], MOVIE[0, 16:30, 10:30] + 1)


CUT = {"plain": {}, "tiles": MAKINGS["deflated tiles"], "one page for all": {"truncate": True}}


def read_all(path):
    """The frames of a file, None if they are rejected."""
    with contextlib.suppress(DataError, SettingError), open_stack(path) as stack:
        return [stack.read(time) for time in range(3)]
    return None


@pytest.mark.parametrize("options", CUT.values(), ids=CUT)
def test_a_file_that_is_cut_off_never_gives_other_pixels(tmp_path, options):
    path = write(tmp_path / "a.tif", **options)
    data = path.read_bytes()
    taken = []
    for length in [*range(1, 20), *range(20, len(data), len(data) // 30), *range(len(data) - 5, len(data))]:
        path.write_bytes(data[:length])
        pixels = read_all(path)
        if pixels is not None:
            np.testing.assert_array_equal(pixels, MOVIE)
            taken.append(length)
    assert all(length > len(data) - 400 for length in taken)  # only the end of the last tags is missing


def test_pages_that_the_metadata_leave_out_are_rejected(tmp_path):
    xml = tifffile.OmeXml()
    xml.addimage("uint16", (40, 36), (1, 1, 1, 40, 36, 1), axes="YX")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, MOVIE, photometric="minisblack", description=xml.tostring(), metadata=None)
    with pytest.raises(DataError, match="the metadata must list every page, got 1 planes in 3 pages"):
        open_stack(path)


def test_frames_that_are_not_there_are_rejected_when_read(tmp_path):
    """A recording that was stopped: the OME-XML lists three frames, two were written."""
    path = write_ome_tiff(tmp_path / "a.ome.tif", MOVIE, "TYX")
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata.encode()
    tifffile.imwrite(path, MOVIE[:2], photometric="minisblack", description=xml, metadata=None)
    with open_stack(path) as stack:
        assert stack.length("T") == 3
        np.testing.assert_array_equal(stack.read(1), MOVIE[1])
        with pytest.raises(DataError, match=r"a\.ome\.tif \(frame 2\): cannot be read as TIFF \(the page is missing\)"):
            stack.read(2)


@pytest.mark.parametrize(
    ("pixels", "options", "error", "words"),
    [
        (
            np.zeros((2, *SHAPE), np.uint16),
            {"metadata": {"axes": "RTCZYX"}},
            SettingError,
            "got R 2, T 3, C 2, Z 4, Y 40, X 36",
        ),
        (MOVIE, {"metadata": None}, SettingError, "got I 3, Y 40, X 36"),
        (MOVIE, {"metadata": {}}, SettingError, "got Q 3, Y 40, X 36"),
        (np.zeros((3, 40, 36, 4), np.uint8), {"photometric": "separated", "metadata": {}}, DataError, "this is not grey"),
        (np.zeros((40, 36, 2), np.uint8), {"metadata": {}, "planarconfig": "contig"}, SettingError, "got Y 40, X 36, S 2"),
        (
            np.zeros((4, 32, 32), np.uint8),
            {"metadata": {"axes": "ZYX"}, "volumetric": True, "tile": (2, 16, 16)},
            DataError,
            "each page",
        ),
    ],
    ids=["6-D", "pages", "unknown", "colour", "samples", "volumes"],
)
def test_what_is_unknown_is_rejected_with_what_exists(tmp_path, pixels, options, error, words):
    with pytest.raises(error, match=words):
        open_stack(write(tmp_path / "a.tif", pixels, **options))


def test_axes_of_the_user_override_those_of_the_file(tmp_path):
    path = write(tmp_path / "a.tif", metadata={"axes": "ZYX"})
    with open_stack(path, "TYX") as stack:
        assert (stack.axes, stack.length("T"), stack.length("Z")) == ("TYX", 3, 1)
        np.testing.assert_array_equal(stack.read(2), MOVIE[2])


@pytest.mark.parametrize("making", [{"ome": True}, {"imagej": True}], ids=["ome", "imagej"])
def test_axes_of_length_1_are_kept_and_may_be_named(tmp_path, making):
    path = write(tmp_path / "a.tif", MOVIE[:, None], metadata={"axes": "TCYX"}, **making)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "TYX"  # tifffile would leave them out
    for axes, told in ((None, "TCZYX"), ("TZCYX", "TCZYX"), ("ZTCYX", "TCZYX"), ("TYX", "TYX")):
        with open_stack(path, axes) as stack:
            frames = stack.length("Z" if axes == "ZTCYX" else "T")
            assert (stack.axes, frames, stack.length("C")) == (told, 3, 1)


def test_several_images_are_rejected(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for _ in range(2):
            writer.write(MOVIE, photometric="minisblack", metadata={"axes": "TYX"})
    with pytest.raises(DataError, match=r"got 2 images \(TYX 3 x 40 x 36 and"):
        open_stack(path)


def ome(**notes):
    return {"ome": True, "metadata": {"axes": "TYX", **notes}}


TIMES = {
    "nothing": (ome(), None),
    "increment": (ome(TimeIncrement=2, TimeIncrementUnit="min"), 2),
    "increment in seconds, which is the default": (ome(TimeIncrement=30), 0.5),
    "increment of 0": (ome(TimeIncrement=0), None),
    "times of planes": (ome(Plane={"DeltaT": [0.0, 60.5, 120.0]}), 1.0),
    "times in milliseconds": (ome(Plane={"DeltaT": [0.0, 6e4, 12e4], "DeltaTUnit": ["ms"] * 3}), 1.0),
    "uneven times": (ome(Plane={"DeltaT": [0.0, 60.0, 300.0]}), None),
    "imagej": ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 120.0}}, 2.0),
    "imagej without": ({"imagej": True, "metadata": {"axes": "TYX"}}, None),
    "imagej in hours": ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.5, "tunit": "h"}}, 30.0),
}


@pytest.mark.parametrize(("options", "minutes"), TIMES.values(), ids=TIMES)
def test_interval(tmp_path, options, minutes):
    with open_stack(write(tmp_path / "a.tif", **options)) as stack:
        assert stack.interval_min == (None if minutes is None else pytest.approx(minutes, rel=0.01))


def test_ome_xml_that_is_none_is_rejected(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, MOVIE, photometric="minisblack", description="<OME><Image></OME>", metadata=None)
    with pytest.raises((DataError, SettingError), match=r"a\.ome\.tif: [^\n]+$"):
        open_stack(path)


@pytest.mark.parametrize(("code", "value"), [(257, 39), (258, 8), (259, 1), (262, 0)])
def test_a_page_that_differs_from_the_first_is_rejected_and_others_are_read(tmp_path, code, value):
    path = write_ome_tiff(tmp_path / "a.ome.tif", MOVIE, "TYX", compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[1].aspage().tags[code].overwrite(value)
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.read(2), MOVIE[2])
        with pytest.raises(
            DataError, match=r"a\.ome\.tif \(frame 1\): cannot be read as TIFF \(the page at byte \d+ is .*the first is"
        ):
            stack.read(1)


def test_an_axis_without_a_pixel_is_rejected(tmp_path):
    path = write(tmp_path / "a.tif", MOVIE[0], metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags[257].overwrite(0)
    with pytest.raises(DataError, match=r"must hold pixels, got axes|cannot be read as TIFF"):
        open_stack(path)


def test_a_large_image_that_few_bytes_hold_is_rejected(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", np.zeros((512, 512), np.uint16), metadata=None, compression="zlib", tile=(128, 128))
    open_stack(path).close()
    monkeypatch.setattr(planes, "MAX_PIXELS", 2**17)  # each tile has less
    monkeypatch.setattr(planes, "MAX_EXPANSION", 100)
    with pytest.raises(DataError, match=r"must hold the pixels of its image, got 524288 in \d+ bytes"):
        open_stack(path)
