"""The folder of a study: gone on with as it began, refused otherwise, and kept to one process."""

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.study_folder import lock_folder, open_folder, read_record, write_record

ASKED = {"folds": {"fold_1": ["a"]}, "recipe": "planned", "settings": {"zoom": [0.5, 2.0]}}


def test_a_new_folder_notes_what_was_asked(tmp_path):
    root = open_folder(tmp_path / "deep" / "out", "study.json", ASKED)
    assert read_record(root / "study.json") == {"asked": ASKED}


def test_goes_on_as_it_began(tmp_path):
    open_folder(tmp_path / "out", "study.json", ASKED)
    write_record(tmp_path / "out" / "study.json", {"asked": ASKED, "run_id": "abc"})
    (tmp_path / "out" / "fold_1").mkdir()
    open_folder(tmp_path / "out", "study.json", ASKED)
    assert read_record(tmp_path / "out" / "study.json")["run_id"] == "abc"


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({**ASKED, "recipe": "original"}, "recipe"),
        ({**ASKED, "settings": {}}, "settings"),
        ({"recipe": "planned", "settings": ASKED["settings"]}, "folds"),
        ({**ASKED, "more": 1}, "more"),
    ],
)
def test_something_else_is_refused(tmp_path, other, word):
    open_folder(tmp_path / "out", "study.json", ASKED)
    with pytest.raises(DataError, match=f"goes on only as it began, {word} differ; name another folder"):
        open_folder(tmp_path / "out", "study.json", other)
    assert read_record(tmp_path / "out" / "study.json") == {"asked": ASKED}


@pytest.mark.parametrize("text", ["", "[]", '"asked"', '{"summary": 1}', '{"asked": 3}', "\\x00"])
def test_a_record_that_is_none(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(DataError, match="must be the record of such a study, it is not; name another folder"):
        open_folder(tmp_path, "study.json", ASKED)
    assert (tmp_path / "study.json").read_text() == text


def test_a_folder_with_something_else_in_it(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="the output folder must be empty or new, it is not"):
        open_folder(tmp_path, "study.json", ASKED)
    with pytest.raises(DataError, match="must be empty or new"):
        open_folder(tmp_path / "mine.txt", "study.json", ASKED)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_record_is_whole_or_not_there(tmp_path):
    with pytest.raises(TypeError):
        write_record(tmp_path / "study.json", {"asked": object()})
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time(tmp_path):
    with (
        lock_folder(tmp_path),
        pytest.raises(SettingError, match="one call at a time may work in the folder, another does"),
        lock_folder(tmp_path),
    ):
        pytest.fail("two at once")
    with lock_folder(tmp_path):
        pass  # free again
