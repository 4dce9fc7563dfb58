from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError, SettingError
from livecell_monai.tracks.movie import LabelMovie, Movie, check_same_frames, name_movie
from tests.support.moving_cells import draw
from tests.support.stack_files import write_ome_tiff

FRAMES = np.stack([draw({7: (10, 10 + 3 * frame), 900: (40, 40)}) for frame in range(3)])


def write_folder(folder: Path, stem: str = "mask", numbers: tuple[int, ...] = (0, 1, 2)) -> Path:
    folder.mkdir()
    for plane, number in zip(FRAMES, numbers, strict=True):
        tifffile.imwrite(folder / f"{stem}{number:03d}.tif", plane)
    return folder


def test_a_stack_is_read_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "dish_cells.ome.tif"
    axes = {"axes": "TYX", "TimeIncrement": 5.0, "TimeIncrementUnit": "min"}
    tifffile.imwrite(path, FRAMES, metadata=axes, photometric="minisblack")
    with LabelMovie(path) as labels:
        assert (len(labels), labels.name, labels.shape, labels.interval_min) == (3, "dish", (60, 80), 5.0)
        assert all(np.array_equal(labels[frame], FRAMES[frame]) for frame in range(3))
        with pytest.raises(IndexError):
            labels[3]


@pytest.mark.parametrize("options", [{}, {"metadata": None}])
@pytest.mark.parametrize("kind", [Movie, LabelMovie])
def test_three_axes_without_names_are_frames_rows_and_columns(tmp_path: Path, options: dict[str, None], kind: Any) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, FRAMES, photometric="minisblack", **options)
    with kind(path) as movie:
        assert (len(movie), movie.assumed_axes) == (3, "TYX")
        assert np.array_equal(movie[1], FRAMES[1])
        assert movie.notes == [f"{path} names no axes: they are taken as T 3, Y 60, X 80; --axes names others"]
    with kind(path, "TYX") as movie:
        assert movie.notes == []


def test_four_axes_without_names_say_how_to_name_them(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([FRAMES, FRAMES]), photometric="minisblack")
    with pytest.raises(SettingError, match="--axes TYX"):
        LabelMovie(path)


MASK = (FRAMES > 0).astype(np.uint8) * 255


def test_the_parts_of_a_mask_become_labels(tmp_path: Path) -> None:
    with LabelMovie(write_stack(tmp_path / "mask.ome.tif", MASK)) as labels:
        assert set(np.unique(labels[1])) == {0, 255}
        labels.number_parts()
        for frame in range(3):
            assert set(np.unique(labels[frame])) == {0, 1, 2}
            assert np.array_equal(labels[frame] == 1, FRAMES[frame] == 7)
        assert labels.notes == [f"{labels.path} is a mask of one value (255): its separate parts are taken as cells"]


@pytest.mark.parametrize(
    "pixels",
    [FRAMES, np.where(FRAMES == 7, 1, 0), np.zeros_like(FRAMES), MASK // 255 * np.arange(1, 4)[:, None, None]],
    ids=["labels", "one cell", "empty", "other value in each frame"],
)
def test_labels_stay_as_they_are(tmp_path: Path, pixels: np.ndarray) -> None:
    with LabelMovie(write_stack(tmp_path / "labels.ome.tif", pixels.astype(np.uint16))) as labels:
        labels.number_parts()
        assert np.array_equal(labels[1], pixels[1])
        assert labels.notes == []


@pytest.mark.parametrize("stem", ["mask", "man_track", "t"])
def test_a_folder_of_frames_is_read_in_order_of_their_numbers(tmp_path: Path, stem: str) -> None:
    folder = write_folder(tmp_path / "dish", stem)
    (folder / "res_track.txt").write_text("7 0 2 0\n")
    labels = LabelMovie(folder)
    assert labels.name == "dish"
    assert labels.missing == ()
    assert np.array_equal(labels[2], FRAMES[2])


def test_a_missing_number_is_an_empty_frame(tmp_path: Path) -> None:
    labels = LabelMovie(write_folder(tmp_path / "dish", numbers=(0, 1, 3)))
    assert len(labels) == 4
    assert labels.missing == (2,)
    assert not labels[2].any()
    assert np.array_equal(labels[3], FRAMES[2])


def test_a_folder_with_one_frame_is_a_movie_of_one(tmp_path: Path) -> None:
    (tmp_path / "dish").mkdir()
    tifffile.imwrite(tmp_path / "dish" / "mask000.tif", FRAMES[0])
    with LabelMovie(tmp_path / "dish") as labels:
        assert len(labels) == 1


def test_frames_of_several_sizes_are_rejected(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "dish")
    tifffile.imwrite(folder / "mask001.tif", FRAMES[1][:50])
    with pytest.raises(DataError, match="of one size and type, got 50 x 80"):
        LabelMovie(folder)


def test_labels_in_ome_zarr_are_found(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    scales = {"axes": [{"name": name} for name in "tyx"], "datasets": [{"path": "0"}]}
    path = tmp_path / "dish.ome.zarr"
    root = zarr.open_group(str(path), mode="w")
    group = root.create_group("labels/cells")
    group.attrs["ome"] = {"multiscales": [scales]}
    group.create_array("0", data=FRAMES, chunks=(1, 60, 80))
    labels = LabelMovie(path)
    assert labels.name == "dish"
    assert np.array_equal(labels[1], FRAMES[1])
    root.create_group("labels/nuclei")
    with pytest.raises(DataError, match="got cells, nuclei; name it"):
        LabelMovie(path)


def write_stack(path: Path, pixels: np.ndarray) -> Path:
    tifffile.imwrite(path, pixels, metadata={"axes": "TYX"}, photometric="minisblack")
    return path


def test_whole_floats_are_ids(tmp_path: Path) -> None:
    with LabelMovie(write_stack(tmp_path / "a.ome.tif", FRAMES.astype(np.float32))) as labels:
        assert labels[0].dtype == np.int64
        assert np.array_equal(labels[0], FRAMES[0])


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (FRAMES.astype(np.float32) / 2, r"whole numbers, got 3\.5; save ids"),
        (-FRAMES.astype(np.int16), "0 for background and ids above, got -900"),
    ],
)
def test_values_that_are_no_ids_are_rejected(tmp_path: Path, pixels: np.ndarray, message: str) -> None:
    with LabelMovie(write_stack(tmp_path / "b.ome.tif", pixels)) as labels, pytest.raises(DataError, match=message):
        labels[0]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_grey_movie_is_rejected_with_the_way_to_track_it(tmp_path: Path, kind: type) -> None:
    greys = np.random.default_rng(0).normal(100, 9, FRAMES.shape).round()
    message = r"grey\.ome\.tif.* got grey values up to 1.*name the bundle .* such as start"
    with (
        LabelMovie(write_stack(tmp_path / "grey.ome.tif", greys.astype(kind))) as labels,
        pytest.raises(DataError, match=message),
    ):
        labels.number_parts()


def test_small_cells_that_touch_are_labels(tmp_path: Path) -> None:
    tiles = np.arange(1, 20 * 16 + 1, dtype=np.uint16).reshape(1, 16, 20).repeat(5, axis=1).repeat(5, axis=2)
    with LabelMovie(write_stack(tmp_path / "tiles.ome.tif", tiles)) as labels:
        labels.number_parts()
        assert np.array_equal(labels[0], tiles[0])


def test_images_must_have_the_frames_of_the_labels(tmp_path: Path) -> None:
    labels = LabelMovie(write_folder(tmp_path / "labels"))
    (tmp_path / "images").mkdir()
    for number in range(2):
        tifffile.imwrite(tmp_path / "images" / f"t{number}.tif", FRAMES[0])
    with pytest.raises(DataError, match="3 frames of 60 x 80, got 2 frames"):
        check_same_frames(labels, Movie(tmp_path / "images"))


def test_channels_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.stack([FRAMES, FRAMES], axis=1), metadata={"axes": "TCYX"}, photometric="minisblack")
    with pytest.raises(DataError, match=r"frames \(T\), rows and columns only, got T 3, C 2"):
        LabelMovie(path)


def test_a_channel_and_a_plane_of_a_grey_movie_are_chosen_and_all_channels_are_there(tmp_path: Path) -> None:
    pixels = np.arange(3 * 2 * 2 * 40 * 50, dtype=np.uint16).reshape(3, 2, 2, 40, 50)  # T, C, Z, Y, X
    path = write_ome_tiff(tmp_path / "dish.ome.tif", pixels, "TCZYX")
    with Movie(path, channel="GFP", z=1) as movie:
        assert movie.planes == (1, 1)
        np.testing.assert_array_equal(movie[2], pixels[2, 1, 1])
        assert list(movie.channels) == ["DAPI", "GFP"]
        np.testing.assert_array_equal(movie.channels["DAPI"][2], pixels[2, 0, 1])
        assert len(movie.channels["DAPI"]) == 3
    with pytest.raises(SettingError, match="--channel must choose one of 2, none is given; there is T 3, C 2"):
        Movie(path, z=0)
    with pytest.raises(SettingError, match="--z must be 0 to 1, got 2"):
        Movie(path, channel=0, z=2)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("mask*.tif", "mask"), ("dish_t???.tif", "dish_t"), ("*.tif", "frames"), ("well[0-9]*.tif", "well")],
)
def test_a_pattern_gives_a_name_that_a_folder_may_have(tmp_path: Path, pattern: str, name: str) -> None:
    assert name_movie(tmp_path / "frames" / pattern) == name
