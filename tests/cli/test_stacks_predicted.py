"""Stacks by the command line: the predicted planes, and errors in one line."""

import shutil

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers import open_stack
from tests.support.commands import livecell, refused
from tests.support.stack_files import SIZE_UM, write_czi, write_ome_tiff, write_zarr
from tests.support.worlds import picture_of, some_cells

FRAMES = np.stack([picture_of(some_cells(seed=seed), seed) for seed in range(3)])  # (T, Y, X)
FIELD = np.stack([FRAMES, FRAMES[::-1]], axis=1)  # (T, C, Y, X)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    """The same field in three formats, and its first plane in a file of its own."""
    root = tmp_path_factory.mktemp("stacks")
    write_ome_tiff(root / "a.ome.tif", FIELD, "TCYX", tile=(32, 32), compression="zlib")
    write_zarr(root / "b.zarr", FIELD, "TCYX", chunks=(1, 1, 32, 32))
    write_czi(root / "c.czi", FIELD, "TCYX")
    tifffile.imwrite(root / "plane.tif", FIELD[1, 1])
    tifffile.imwrite(root / "unknown.tif", FRAMES, photometric="minisblack")
    return root


@pytest.fixture
def predict(trained, tmp_path):
    """A prediction into `masks`."""
    _, bundle = trained
    return lambda *given: livecell("predict", bundle, *given, "-o", tmp_path / "masks", "--set", "show_progress=false")


def test_one_plane_of_every_format_gives_the_same_mask(stacks, predict, tmp_path):
    images = [stacks / name for name in ("a.ome.tif", "b.zarr", "c.czi")]
    outcome = predict(*images, "--channel", "GFP", "--time", 1, "--overlay")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{tmp_path / 'masks'}: 3 masks and summary.csv\n"
    assert predict(stacks / "plane.tif", "--overwrite").code == 0
    expected = tifffile.imread(tmp_path / "masks" / "plane.tif")
    assert 0 < expected.mean() < 255
    for name in "abc":
        with open_stack(tmp_path / "masks" / f"{name}.tif") as mask:
            np.testing.assert_array_equal(mask.read(), expected)
            assert mask.pixel_size_um == pytest.approx(SIZE_UM)
        assert (tmp_path / "masks" / f"{name}_overlay.png").is_file()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.ome.tif", (), "a.ome.tif: --channel must choose one of 2, none is given; there is T 3, C 2, Z 1, Y 96, X 112;"),
        (
            "b.zarr",
            ("--channel", "RFP"),
            "must be 0 to 1 or the name of a channel, got 'RFP'; there is T 3, C 2, Y 96, X 112; channels 0 DAPI, 1 GFP",
        ),
        ("c.czi", ("--channel", 0, "--time", 3), "--time must be 0 to 2 or first:stop, got '3'"),
        ("c.czi", ("--channel", 0, "--z", 1), "--z must be 0, got '1'; there is T 3"),
        ("unknown.tif", (), "got Q 3, Y 96, X 112; name them in the file's order, for example --axes TYX"),
        ("unknown.tif", ("--axes", "QYX"), "--axes must be letters of T, C, Z, Y, X"),
        ("unknown.tif", ("--axes", "ZTYX"), "--axes must name the file's axes, Q 3, Y 96, X 112, got 'ZTYX'"),
        ("plane.tif", ("--time", "0:2"), "--time must be first:stop with 0 <= first < stop <= 1, got '0:2'"),
    ],
)
def test_unselected_or_missing_planes_are_rejected_in_one_line(stacks, predict, tmp_path, name, options, words):
    refused(predict(stacks / name, *options), words)
    assert not (tmp_path / "masks").exists()


def test_axes_may_be_given(stacks, predict):
    assert predict(stacks / "unknown.tif", "--axes", "zyx", "--z", 2).code == 0


def test_a_frame_that_is_damaged_is_named_and_others_are_predicted(stacks, predict, tmp_path):
    path = tmp_path / "damaged.zarr"
    shutil.copytree(stacks / "b.zarr", path)
    (chunk,) = path.glob("*/c/1/0/2/3")
    chunk.write_bytes(b"\xff" * 60)
    outcome = predict(path, "--channel", "DAPI", "--time", "1")
    assert outcome.code == 3
    assert (
        f"error: {path} (frame 1, channel 0): chunk {chunk.relative_to(path)} cannot be decoded"
        in outcome.err.splitlines()[0]
    )
    assert "1 of 1 images have no mask" in outcome.err


def test_training_does_not_take_stacks(folder, stacks, tmp_path):
    shutil.copy(stacks / "unknown.tif", folder / "train/images/train_01.tif")
    outcome = livecell("check", folder)
    assert outcome.code == 2
    assert "train_01.tif: an image must be one grey plane, got a stack with axes Q 3" in outcome.err


class TestInfo:
    def test_shows_the_header_of_each_file(self, stacks):
        outcome = livecell("info", stacks / "a.ome.tif", stacks / "b.zarr", stacks / "plane.tif")
        assert (outcome.code, outcome.err) == (0, "")
        header, first, second, third = outcome.out.splitlines()
        assert [word for word in ("image", "axes", "pixel, Y x X", "frame every", "channels") if word not in header] == []
        for line, name in ((first, "a.ome.tif"), (second, "b.zarr")):
            assert line.startswith(name)
            assert all(words in line for words in ("T 3, C 2, ", "Y 96, X 112 ", " uint16 ", " 0.25 x 0.5 µm "))
            assert "1.5 min      0 DAPI, 1 GFP" in line
        assert third.split() == ["plane.tif", "Y", "96,", "X", "112", "uint16"]

    def test_names_files_that_cannot_be_opened(self, stacks, tmp_path):
        path = tmp_path / "cut.tif"
        path.write_bytes((stacks / "plane.tif").read_bytes()[:5000])
        outcome = livecell("info", stacks / "plane.tif", path, stacks / "unknown.tif")
        assert outcome.code == 2
        assert len(outcome.out.splitlines()) == 2
        first, second = outcome.err.splitlines()
        assert first.startswith(f"error: {path}: cannot be read as TIFF (")
        assert "got Q 3, Y 96, X 112" in second
        assert livecell("info", stacks / "unknown.tif", "--axes", "TYX").code == 0

    def test_rejects_missing_files(self, tmp_path):
        refused(livecell("info", tmp_path / "gone.nd2"), "no such file or folder")
