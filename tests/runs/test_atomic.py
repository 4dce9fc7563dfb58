"""Atomic writes: complete files or none."""

import errno
import os

import numpy as np
import pytest

from livecell_monai.data.paths import is_image
from livecell_monai.data.plane_files import write_mask
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path, check_overwrite, check_writable, read_table, write_table

IDS = np.random.default_rng(7).integers(0, 65536, (40, 36)).astype(np.uint16)


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

    def test_the_old_file_stays_until_the_new_one_is_complete(self, tmp_path):
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
    def test_an_error_of_the_system_is_one_line(self, tmp_path, number):
        with pytest.raises(DataError, match=rf"a\.csv: cannot be written \({os.strerror(number)}\); [^\n]*$") as caught:
            fail_midway(tmp_path / "a.csv", OSError(number, os.strerror(number)))
        assert isinstance(caught.value.__cause__, OSError)
        assert not os.listdir(tmp_path)

    def test_two_writers_do_not_collide(self, tmp_path):
        path = tmp_path / "a.csv"
        with atomic_path(path) as first, atomic_path(path) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "first"  # the outer one ends last

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"missing/a\.tif: cannot be written \(No such file or directory\)"):
            write_mask(tmp_path / "missing" / "a.tif", IDS > 9, None)

    def test_rejects_a_file_in_place_of_the_folder(self, tmp_path):
        (tmp_path / "folder").write_text("a file")
        with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
            write_mask(tmp_path / "folder" / "a.tif", IDS > 9, None)

    def test_rejects_a_folder_of_that_name_and_leaves_nothing(self, tmp_path):
        (tmp_path / "a.tif").mkdir()
        with pytest.raises(DataError, match=r"cannot be written \(Is a directory\)"):
            write_mask(tmp_path / "a.tif", IDS > 9, None)
        assert os.listdir(tmp_path) == ["a.tif"]

    def test_permissions_are_those_of_any_new_file(self, tmp_path):
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
    assert read_table(tmp_path / "a.csv") == [{"a": "1", "b": ""}, {"a": "2", "b": "x, y"}]


@pytest.mark.parametrize("content", [None, b"a\n\xff\xfe", b"a\n" + b"x" * 200_000], ids=["missing", "no text", "too long"])
def test_an_unreadable_table_is_reported_on_one_line(tmp_path, content):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    for name, shown in (("", str(path)), ("run x, a.csv", "run x, a.csv")):
        with pytest.raises(DataError, match=r": must be a CSV table, got: .*; write it again$") as caught:
            read_table(path, name)
        assert str(caught.value).startswith(f"{shown}: ")
        assert "\n" not in str(caught.value)


def test_rejects_existing_files_without_overwrite(tmp_path):
    (tmp_path / "there.csv").write_text("earlier")
    (tmp_path / "folder").mkdir()
    for name, overwrite, words in (
        ("there.csv", False, "already exists"),
        ("folder", True, "expected a file name in an existing folder"),
        ("nowhere/a.csv", True, "expected a file name in an existing folder"),
    ):
        with pytest.raises(SettingError, match=words):
            check_overwrite(tmp_path / name, overwrite)
    check_overwrite(tmp_path / "there.csv", True)
    check_overwrite(tmp_path / "new.csv", False)


def test_a_file_that_cannot_be_written_is_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"a\.csv: cannot be written \(Not a directory\)"):
        check_writable(tmp_path / "file" / "a.csv")
    check_writable(tmp_path / "a.csv")
    assert os.listdir(tmp_path) == ["file"]
