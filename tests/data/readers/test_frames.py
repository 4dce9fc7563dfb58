"""A folder of numbered frames as a movie."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers import PlaneAddress, close_last, open_stack
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.kinds import read_image
from livecell_monai.data.readers.selection import list_frames
from livecell_monai.errors import DataError
from livecell_monai.sample import Region

PIXELS = np.arange(12 * 8 * 9, dtype=np.uint16).reshape(12, 8, 9)


def write(folder, names=None, pixels=PIXELS):
    folder.mkdir(exist_ok=True)
    for name, plane in zip(names or [f"t{number}.tif" for number in range(1, 13)], pixels, strict=False):
        tifffile.imwrite(folder / name, plane, resolution=(1e4 / 0.5, 1e4 / 0.25), resolutionunit="CENTIMETER")
    return folder


def test_frames_come_by_their_number(tmp_path):
    with open_stack(write(tmp_path / "movie")) as stack:
        assert isinstance(stack, FramesStack)
        assert (stack.axes, stack.shape, stack.dtype) == ("TYX", (12, 8, 9), np.uint16)
        assert stack.pixel_size_um == pytest.approx((0.25, 0.5))
        assert stack.interval_min is None
        assert [frame.name for frame in stack.frames][8:11] == ["t9.tif", "t10.tif", "t11.tif"]
        for frame in range(12):
            np.testing.assert_array_equal(stack.read(frame), PIXELS[frame])
        np.testing.assert_array_equal(stack.read(9, region=Region(2, 3, 5, 9)), PIXELS[9, 2:5, 3:9])
        with pytest.raises(DataError, match="frame 0 to 11, got frame 12"):
            stack.read(12)


@pytest.mark.parametrize("path", ["movie", "movie/t*.tif"])
def test_an_address_reads_a_frame(tmp_path, path):
    write(tmp_path / "movie")
    (tmp_path / "movie" / "notes.txt").touch()
    for frame in (0, 9):
        plane = read_image(str(PlaneAddress(tmp_path / path, frame)))
        np.testing.assert_array_equal(plane.pixels, PIXELS[frame])
    close_last()


def test_a_glob_takes_some_of_a_folder(tmp_path):
    folder = write(tmp_path / "movie")
    write(tmp_path / "movie", [f"dark{number}.tif" for number in range(3)])
    with open_stack(folder / "t*.tif") as stack:
        assert stack.length("T") == 12
    with pytest.raises(DataError, match=r"differ in one number only, got dark0\.tif and t1\.tif"):
        open_stack(folder)


@pytest.mark.parametrize(
    "names",
    [
        ["a1_t09.png", "a1_t10.png", "a1_t11.png"],  # another number stays as it is
        ["t1_a.png", "t2_a.png", "t3_a.png"],
        ["007.png", "8.png", "9.png"],  # with zeros in front and without
    ],
)
def test_the_number_that_differs_counts(tmp_path, names):
    for name, plane in zip(names, PIXELS.astype(np.uint8), strict=False):
        Image.fromarray(plane).save(tmp_path / name)
    with open_stack(tmp_path) as stack:
        assert [frame.name for frame in stack.frames] == names


@pytest.mark.parametrize(
    ("names", "interval"),
    [
        (["t0.tif", "t10.tif", "t20.tif", "t30.tif"], None),
        (["t1.tif", "t3.tif"], None),
        (["B2_00d00h00m.tif", "B2_00d12h00m.tif", "B2_01d00h00m.tif"], 720),
        (["0h50m.tif", "1h0m.tif", "1h10m.tif"], 10),
        (["9h59m30s.tif", "10h0m0s.tif", "10h0m30s.tif"], 0.5),
        (["24h00m_00d00h00m.tif", "24h00m_00d02h00m.tif"], 120),  # the time that differs counts
        (["00d00h00m.tif", "00d01h59m.tif", "00d04h01m.tif"], 120.5),  # as a microscope keeps time
        (["v_2020y05m31d_23h30m.tif", "v_2020y06m01d_00h00m.tif"], 30),
        (["v_20240131_233000.tif", "v_20240201_000000.tif", "v_20240201_003000.tif"], 30),
        (["v_2024-01-31_12-00-00.tif", "v_2024-01-31_12-10-00.tif"], 10),
        (["20240131_000001.tif", "20240131_000002.tif"], None),  # a counter after a date
        (["20240131_0001.tif", "20240131_0002.tif"], None),
        (["0h.tif", "12h.tif", "24h.tif"], 720),
        (["0.0h.tif", "0.5h.tif", "1.0h.tif"], 30),
        (["x_t=90min.tif", "x_t=120min.tif"], 30),
        (["day01_hour22.tif", "day02_hour00.tif"], 120),
        (["img_000000000_Phase_000.tif", "img_000000001_Phase_000.tif"], None),
        (["t1.tif", "T2.TIF"], None),
    ],
)
def test_a_constant_step_and_times_are_accepted(tmp_path, names, interval):
    with open_stack(write(tmp_path / "movie", names)) as stack:
        assert [frame.name for frame in stack.frames] == names
        assert stack.interval_min == interval
        np.testing.assert_array_equal(stack.read(1), PIXELS[1])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["t1.tif", "t2.tif", "t4.tif"], r"without gaps, 3 is missing after t2\.tif"),
        (["t0.tif", "t10.tif", "t30.tif"], r"without gaps, 20 is missing after t10\.tif"),
        (["00d00h00m.tif", "00d12h00m.tif", "01d12h00m.tif"], r"without gaps, 01d00h00m is missing after 00d12h00m\.tif"),
        (["t1.tif", "t2.tif", "t02.tif"], "a number of its own"),
        (["t1.tif", "t01.tif"], r"each frame must have a number of its own"),
        (["00d00h00m.tif", "00d01h00m.tif", "00d02h17m.tif"], "must have a constant step, got 00d00h00m"),
        (
            ["v_20240131_120000.tif", "v_20240131_130000.tif", "v_20240131_150000.tif"],
            "2024-01-31 14:00:00 is missing after",
        ),
        (["t1.tif", "t2.tif", "u3.tif"], r"differ in one number only, got t1\.tif and u3\.tif"),
        (["t1_c1.tif", "t1_c2.tif", "t2_c1.tif"], "differ in one number only"),
        (["a.tif", "b.tif"], r"differ in one number only, got a\.tif and b\.tif"),
        (["t1.tif"], "must have two frames or more, got 1 files"),
    ],
)
def test_what_is_no_movie_is_rejected(tmp_path, names, words):
    with pytest.raises(DataError, match=words) as caught:
        open_stack(write(tmp_path / "movie", names))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("other", [PIXELS[0, :7], PIXELS[0].astype(np.uint8)], ids=["size", "type"])
def test_frames_of_different_sizes_or_types_are_rejected(tmp_path, other):
    write(tmp_path / "movie")
    tifffile.imwrite(tmp_path / "movie" / "t13.tif", other)
    with pytest.raises(DataError, match=r"t13\.tif: frames of a movie must be of one size and type, got .* in t1\.tif"):
        open_stack(tmp_path / "movie")


def test_a_frame_of_several_planes_is_rejected(tmp_path):
    write(tmp_path / "movie")
    tifffile.imwrite(tmp_path / "movie" / "t13.tif", PIXELS[:3], photometric="minisblack", metadata={"axes": "TYX"})
    with pytest.raises(DataError, match=r"t13\.tif: a frame of a movie must be one plane, got .*T 3"):
        open_stack(tmp_path / "movie")


def test_a_frame_whose_header_is_damaged_is_pointed_at(tmp_path):
    write(tmp_path / "movie")
    (tmp_path / "movie" / "t5.tif").write_bytes(b"II*\0")
    with open_stack(tmp_path / "movie") as stack:
        np.testing.assert_array_equal(stack.read(3), PIXELS[3])
        with pytest.raises(DataError, match=r"t5\.tif: cannot be read as TIFF"):
            stack.read(4)
    for path in (tmp_path / "movie").iterdir():
        path.write_bytes(b"II*\0")
    with pytest.raises(DataError, match=r"t1\.tif: cannot be read as TIFF"):
        open_stack(tmp_path / "movie")


def test_missing_frames_may_be_allowed(tmp_path):
    folder = write(tmp_path / "movie", ["t0.tif", "t10.tif", "t30.tif"])
    with open_stack(folder, allow_gaps=True) as stack:
        assert stack.length("T") == 4
        assert [frame and frame.name for frame in stack.frames] == ["t0.tif", "t10.tif", None, "t30.tif"]
        np.testing.assert_array_equal(stack.read(3), PIXELS[2])
        with pytest.raises(DataError, match="frame 2 is missing"):
            stack.read(2)
    items = list_frames(folder, None, None, None, None, allow_gaps=True)
    assert [(item["frame"], item["position"], item["frames"]) for item in items] == [(at, at, 4) for at in range(4)]
    np.testing.assert_array_equal(read_image(items[3]["image"]).pixels, PIXELS[2])
    close_last()
    with pytest.raises(DataError, match=r"20 is missing after t10\.tif; add it, renumber the frames, or give --allow-gaps"):
        list_frames(folder, None, None, None, None)


def test_times_with_a_gap_keep_their_interval(tmp_path):
    names = ["00d00h00m.tif", "00d06h00m.tif", "00d18h00m.tif"]
    with open_stack(write(tmp_path / "movie", names), allow_gaps=True) as stack:
        assert (stack.length("T"), stack.interval_min) == (4, 360)


def test_uneven_times_with_a_gap_have_one_missing_frame(tmp_path):
    names = ["00d00h00m.tif", "00d01h59m.tif", "00d06h01m.tif", "00d08h00m.tif"]
    with open_stack(write(tmp_path / "movie", names), allow_gaps=True) as stack:
        assert [frame and frame.name for frame in stack.frames] == [*names[:2], None, *names[2:]]
        assert stack.interval_min == 120


def test_a_gap_is_limited(tmp_path):
    with pytest.raises(DataError, match="of which at most 1000 may be missing"):
        open_stack(write(tmp_path / "movie", ["t0.tif", "t1.tif", "t5000.tif"]), allow_gaps=True)
