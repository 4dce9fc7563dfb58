"""The folder of a study: new, empty, or of the same question."""

import json

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.study_folder import (
    check_choosing,
    keep_to_one,
    open_folder,
    read_record,
    write_record,
)

ASKED = {"data": "abc", "settings": {"lr": 0.1, "size": (1, 2)}}


def test_the_question_is_noted_and_the_same_one_goes_on(tmp_path):
    for _ in range(2):
        open_folder(tmp_path / "out", "study.json", ASKED, "a study")
        assert json.loads((tmp_path / "out" / "study.json").read_text())["asked"]["data"] == "abc"


def test_another_question_is_refused_by_what_differs(tmp_path):
    open_folder(tmp_path, "study.json", ASKED, "a study")
    with pytest.raises(DataError, match="a study goes on only as it began, data differ; name another folder"):
        open_folder(tmp_path, "study.json", {**ASKED, "data": "abd"}, "a study")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"asked": 3}'])
def test_a_record_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(DataError, match=r"study\.json: must be the record of a study, it is not"):
        open_folder(tmp_path, "study.json", ASKED, "a study")


def test_what_lies_in_a_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(DataError, match="must be empty or new"):
        open_folder(tmp_path, "study.json", ASKED, "a study")
    with pytest.raises(DataError, match="must be empty or new"):
        open_folder(tmp_path / "mine", "study.json", ASKED, "a study")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_setting_that_is_held_may_only_have_its_value():
    check_choosing({"checkpoint_selection": "last", "lr": 1}, {"checkpoint_selection": "last"}, "a study")
    with pytest.raises(SettingError, match="setting checkpoint_selection must be left as it is in a study, got 'best'"):
        check_choosing({"checkpoint_selection": "best"}, {"checkpoint_selection": "last"}, "a study")


def test_a_record_is_whole_or_not_there(tmp_path):
    with pytest.raises(TypeError):
        write_record(tmp_path / "study.json", {"asked": object()})
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time(tmp_path):
    with (
        keep_to_one(tmp_path),
        pytest.raises(SettingError, match="one call at a time may work in the folder, another does"),
        keep_to_one(tmp_path),
    ):
        pytest.fail("two at once")
    with keep_to_one(tmp_path):
        pass  # free again


def test_a_record_is_read_back(tmp_path):
    write_record(tmp_path / "study.json", {"asked": {"zoom": [0.5, 2.0]}, "run_id": "abc"})
    assert read_record(tmp_path / "study.json") == {"asked": {"zoom": [0.5, 2.0]}, "run_id": "abc"}
