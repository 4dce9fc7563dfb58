"""Files that are whole or not there, and that read back as they were written."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data import plane_files
from livecell_monai.data.paths import is_image
from livecell_monai.data.plane_files import write_border, write_image, write_label, write_mask, write_probability
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path, check_overwrite, write_table

GENERATOR = np.random.default_rng(7)
IDS = GENERATOR.integers(0, 65536, (40, 36)).astype(np.uint16)
FRACTIONS = GENERATOR.random((40, 36), np.float32)
WRITERS = [
    (write_mask, IDS > 30000),
    (write_probability, FRACTIONS),
    (write_label, IDS),
    (write_image, IDS),
    (write_border, FRACTIONS * 7),
]
IDENTIFIERS = [writer.__name__ for writer, _ in WRITERS]
every_writer = pytest.mark.parametrize(("write", "pixels"), WRITERS, ids=IDENTIFIERS)


class TestEveryWriter:
    @every_writer
    @pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
    def test_what_was_written_is_read(self, tmp_path, write, pixels, name):
        write(tmp_path / name, pixels, (0.325, 0.65))
        plane = read_plane(tmp_path / name)
        expected = pixels * np.uint8(255) if pixels.dtype == bool else pixels
        assert plane.pixels.dtype == expected.dtype
        np.testing.assert_array_equal(plane.pixels, expected)
        assert plane.pixel_size_um == pytest.approx((0.325, 0.65), rel=1e-6)
        assert os.listdir(tmp_path) == [name]

    @every_writer
    def test_no_pixel_size_stays_none(self, tmp_path, write, pixels):
        write(tmp_path / "a.tif", pixels, None)
        assert read_plane(tmp_path / "a.tif").pixel_size_um is None

    @every_writer
    def test_files_are_deflated(self, tmp_path, write, pixels):
        write(tmp_path / "a.tif", pixels, None)
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE

    @every_writer
    def test_the_same_pixels_give_the_same_bytes(self, tmp_path, write, pixels):
        for name in ("a.tif", "b.tif"):
            write(tmp_path / name, pixels, (0.5, 0.5))
        assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()

    @every_writer
    @pytest.mark.parametrize("change", [lambda pixels: pixels.astype(np.int64), lambda pixels: pixels[None]])
    def test_what_would_be_changed_in_silence_is_the_callers_fault(self, tmp_path, write, pixels, change):
        with pytest.raises(ValueError, match=r"must be \(Y, X\) \w+, got \("):
            write(tmp_path / "a.tif", change(pixels), None)
        assert not os.listdir(tmp_path)

    @every_writer
    def test_a_full_disk_leaves_the_old_file(self, tmp_path, monkeypatch, write, pixels):
        def fill_the_disk(path, *_, **__):
            Path(path).write_bytes(b"half a fi")
            raise OSError(errno.ENOSPC, "No space left on device")

        (tmp_path / "a.tif").write_bytes(b"old")
        monkeypatch.setattr(plane_files.tifffile, "imwrite", fill_the_disk)
        with pytest.raises(DataError, match=r"a\.tif: cannot be written \(No space left on device\); make room"):
            write(tmp_path / "a.tif", pixels, None)
        assert (tmp_path / "a.tif").read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("um", [0.01, 0.1083, 1 / 3, 1.0, 6.45, 1234.5])
def test_pixel_sizes_come_back(tmp_path, um):
    write_mask(tmp_path / "a.tif", IDS > 9, (um, 2 * um))
    assert read_plane(tmp_path / "a.tif").pixel_size_um == pytest.approx((um, 2 * um), rel=1e-6)


class TestAtomicPath:
    @pytest.mark.parametrize("name", ["a.csv", "a.json", "a.png", "a.nii.gz", "a.ome.tif", "a"])
    def test_the_temporary_path_is_a_hidden_neighbour_with_the_same_ending(self, tmp_path, name):
        with atomic_path(tmp_path / name) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.name.endswith(name.removeprefix("a"))
            assert not is_image(temporary)
            temporary.write_text("new")
            assert not (tmp_path / name).exists()
        assert (tmp_path / name).read_text() == "new"
        assert os.listdir(tmp_path) == [name]

    def test_the_old_file_stays_until_the_new_one_is_whole(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("old")
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"

    @pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, DataError])
    def test_a_failure_midway_leaves_the_old_file_and_nothing_else(self, tmp_path, failure):
        path = tmp_path / "a.csv"
        path.write_text("old")
        with pytest.raises(failure, match="midway"):
            fail_midway(path, failure("midway"))
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["a.csv"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
    def test_what_the_system_refuses_becomes_one_line(self, tmp_path, number):
        with pytest.raises(DataError, match=rf"a\.csv: cannot be written \({os.strerror(number)}\); [^\n]*$") as caught:
            fail_midway(tmp_path / "a.csv", OSError(number, os.strerror(number)))
        assert isinstance(caught.value.__cause__, OSError)
        assert not os.listdir(tmp_path)

    def test_two_writers_do_not_meet(self, tmp_path):
        path = tmp_path / "a.csv"
        with atomic_path(path) as first, atomic_path(path) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "first"  # the outer one ends last

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"missing/a\.tif: cannot be written \(No such file or directory\)"):
            write_mask(tmp_path / "missing" / "a.tif", IDS > 9, None)

    def test_a_file_in_the_place_of_the_folder_is_refused(self, tmp_path):
        (tmp_path / "folder").write_text("a file")
        with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
            write_mask(tmp_path / "folder" / "a.tif", IDS > 9, None)

    def test_a_folder_of_that_name_is_refused_and_nothing_left(self, tmp_path):
        (tmp_path / "a.tif").mkdir()
        with pytest.raises(DataError, match=r"cannot be written \(Is a directory\)"):
            write_mask(tmp_path / "a.tif", IDS > 9, None)
        assert os.listdir(tmp_path) == ["a.tif"]

    def test_rights_are_those_of_any_new_file(self, tmp_path):
        (tmp_path / "plain").touch()
        write_mask(tmp_path / "a.tif", IDS > 9, None)
        assert (tmp_path / "a.tif").stat().st_mode == (tmp_path / "plain").stat().st_mode


def fail_midway(path, failure):
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise failure


def test_a_table_has_a_column_for_every_name(tmp_path):
    write_table(tmp_path / "a.csv", [{"a": 1}, {"b": "x, y", "a": 2}])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines() == ["a,b", "1,", '2,"x, y"']


def test_what_is_taken_is_refused_unless_it_may_be_written_over(tmp_path):
    (tmp_path / "there.csv").write_text("earlier")
    (tmp_path / "folder").mkdir()
    for name, overwrite, words in (
        ("there.csv", False, "must not be there yet, it is"),
        ("folder", True, "must be a file in a folder that is there"),
        ("nowhere/a.csv", True, "must be a file in a folder that is there"),
    ):
        with pytest.raises(SettingError, match=words):
            check_overwrite(tmp_path / name, overwrite)
    check_overwrite(tmp_path / "there.csv", True)
    check_overwrite(tmp_path / "new.csv", False)
