"""A folder of numbered frames as a movie."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers import PlaneAddress, close_last, open_stack
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.kinds import read_image
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
        with pytest.raises(DataError, match="T 0 to 11, got T 12"):
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
    ("names", "words"),
    [
        (["t1.tif", "t2.tif", "t4.tif"], r"without gaps, 3 is missing after t2\.tif"),
        (["t1.tif", "t2.tif", "t02.tif"], "a number of its own"),
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
        assert stack.broken == 4
        np.testing.assert_array_equal(stack.read(3), PIXELS[3])
        with pytest.raises(DataError, match=r"t5\.tif: cannot be read as TIFF"):
            stack.read(4)
    for path in (tmp_path / "movie").iterdir():
        path.write_bytes(b"II*\0")
    with pytest.raises(DataError, match=r"t1\.tif: cannot be read as TIFF"):
        open_stack(tmp_path / "movie")
