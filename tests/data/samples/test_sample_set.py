from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data.samples import sample_set
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.data.samples.synthetic import measure_border
from livecell_monai.errors import DataError

SHAPE = (96, 128)


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_folder_has_the_expected_form(tmp_path: Path) -> None:
    folder = write_sample_set(tmp_path / "new" / "set", train=2, test=1, shape=SHAPE)
    assert list_files(folder) == [
        "test/images/field_01.tif",
        "test/labels/field_01.tif",
        "train/borders/cells_01.tif",
        "train/borders/cells_02.tif",
        "train/images/cells_01.tif",
        "train/images/cells_02.tif",
        "train/labels/cells_01.tif",
        "train/labels/cells_02.tif",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["set"]  # nothing left of the draft


def test_files_hold_what_was_drawn(tmp_path: Path) -> None:
    folder = write_sample_set(tmp_path / "set", train=1, test=0, shape=SHAPE)
    image, label, border = (
        tifffile.imread(folder / "train" / sort / "cells_01.tif") for sort in ("images", "labels", "borders")
    )
    assert image.shape == label.shape == border.shape == SHAPE
    assert (image.dtype, label.dtype, border.dtype) == (np.uint16, np.uint16, np.float32)
    np.testing.assert_array_equal(border, measure_border(label))


def test_pixel_size_is_stated(tmp_path: Path) -> None:
    folder = write_sample_set(tmp_path / "set", train=1, test=0, shape=SHAPE)
    for path in folder.rglob("*.tif"):
        with tifffile.TiffFile(path) as file:
            pixels, units = file.pages[0].tags["XResolution"].value
            assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            # Pixels per centimetre, or per µm as ImageJ writes it.
            assert units / pixels in (pytest.approx(0.65e-4, rel=1e-3), pytest.approx(0.65, rel=1e-3))


def test_same_seed_same_pixels_however_many_are_drawn(tmp_path: Path) -> None:
    few = write_sample_set(tmp_path / "few", train=1, test=1, shape=SHAPE, seed=7)
    many = write_sample_set(tmp_path / "many", train=2, test=2, shape=SHAPE, seed=7)
    other = write_sample_set(tmp_path / "other", train=1, test=1, shape=SHAPE, seed=8)
    assert set(list_files(few)) < set(list_files(many))
    for name in list_files(few):
        pixels = tifffile.imread(few / name)
        assert pixels.tobytes() == tifffile.imread(many / name).tobytes()
        assert pixels.tobytes() != tifffile.imread(other / name).tobytes()
    train, test = (tifffile.imread(many / name) for name in ("train/images/cells_01.tif", "test/images/field_01.tif"))
    assert not np.array_equal(train, test)


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    write_sample_set(tmp_path, train=1, test=0, shape=SHAPE)
    assert (tmp_path / "train" / "images" / "cells_01.tif").is_file()


def test_rejects_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("checkpoint_selection")
    with pytest.raises(DataError, match="new or empty folder only, this one holds 1 entry; name another") as caught:
        write_sample_set(tmp_path, train=1, test=0, shape=SHAPE)
    assert "\n" not in str(caught.value)
    assert list_files(tmp_path) == ["mine.txt"]


def test_rejects_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("checkpoint_selection")
    with pytest.raises(DataError, match="this is a file"):
        write_sample_set(tmp_path / "mine", train=1, test=0, shape=SHAPE)


def test_failing_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    write_plane = sample_set.write_plane

    def fail_at_the_second(path: Path, *args: object, **kwargs: object) -> None:
        if written:
            raise OSError("disk full")
        write_plane(path, *args, **kwargs)
        written.append(path)

    monkeypatch.setattr(sample_set, "write_plane", fail_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        write_sample_set(tmp_path / "set", train=2, test=0, shape=SHAPE)
    assert written
    assert list(tmp_path.iterdir()) == []
