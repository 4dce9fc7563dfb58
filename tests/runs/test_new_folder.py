"""Folders that are filled as a whole."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.runs.new_folder import fill_folder


def test_entries_move_in_at_the_end(tmp_path):
    with fill_folder(tmp_path / "a" / "b") as draft:
        (draft / "inner").mkdir()
        (draft / "inner" / "file").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "b" / "inner" / "file").read_text() == "1"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_error_leaves_nothing(tmp_path):
    def fail(draft):
        (draft / "file").touch()
        raise KeyError

    with pytest.raises(KeyError), fill_folder(tmp_path / "a") as draft:
        fail(draft)
    assert not list(tmp_path.iterdir())


def test_a_folder_must_be_new_or_empty(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="must be empty or new"), fill_folder(tmp_path):
        pass
    with pytest.raises(SettingError, match="this is a file"), fill_folder(tmp_path / "file"):
        pass
    (tmp_path / "empty").mkdir()
    with fill_folder(tmp_path / "empty") as draft:
        (draft / "x").touch()
    assert (tmp_path / "empty" / "x").exists()
