"""The folder of a study: new, empty, or of the same study."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.study_folder import check_choosing, open_study

STARTED = {"data": "abc", "settings": {"lr": 0.1, "size": (1, 2)}}


def at_work(folder, started_with=STARTED, wait=False):
    return open_study(folder, "study.json", "a study", started_with, wait)


def open_here(folder, started_with=None, wait=False):
    with at_work(folder, started_with or STARTED, wait) as ledger:
        return ledger


def test_the_record_lies_in_the_folder_and_the_same_study_resumes(tmp_path):
    for number in range(2):
        ledger = open_here(tmp_path / "out")
        assert ledger.record_file == tmp_path / "out" / "study.json"
        assert ledger.read()["started_with"] == {"data": "abc", "settings": {"lr": 0.1, "size": [1, 2]}}
        assert ledger.read().get("number") == (number or None)
        ledger.update(number=number + 1)


def test_another_study_is_refused_by_what_differs(tmp_path):
    open_here(tmp_path)
    words = f'^{tmp_path}: a study must resume with the same data: started with "abc", now "abd"; name another folder$'
    with pytest.raises(SettingError, match=words):
        open_here(tmp_path, {**STARTED, "data": "abd"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"started_with": 3}'])
def test_a_record_that_is_damaged_is_refused(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(DataError, match=r"study\.json: the record of a study cannot be read"):
        open_here(tmp_path)


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(DataError, match="must be empty or new"):
        open_here(tmp_path)
    with pytest.raises(DataError, match="must be empty or new"):
        open_here(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_one_process_at_a_time(tmp_path):
    words = f"^{tmp_path}: another process works in this folder"
    with at_work(tmp_path), pytest.raises(SettingError, match=words), at_work(tmp_path):
        pytest.fail("two at once")
    open_here(tmp_path)  # free again


def test_processes_that_share_a_study_wait_for_each_other(tmp_path):
    with ThreadPoolExecutor(1) as other:
        with at_work(tmp_path, wait=True):
            waiting = other.submit(open_here, tmp_path, STARTED, wait=True)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(10).is_unfinished()


def test_a_setting_that_is_held_may_only_have_its_value():
    check_choosing({"checkpoint_selection": "last", "lr": 1}, {"checkpoint_selection": "last"}, "a study")
    with pytest.raises(SettingError, match="setting checkpoint_selection must be left as it is in a study, got 'best'"):
        check_choosing({"checkpoint_selection": "best"}, {"checkpoint_selection": "last"}, "a study")
