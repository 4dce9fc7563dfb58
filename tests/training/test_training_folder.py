"""The folder of a training, and what may be filled or resumed in."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.training.training_folder import check_output_folder, training_ledger


@pytest.fixture
def unfinished(tmp_path):
    ledger = training_ledger(tmp_path / "model")
    ledger.start({"lr": 0.1}, run_id=None)
    return ledger


def test_the_ledger_is_hidden_in_the_folder_of_the_bundle(unfinished):
    assert unfinished.path == unfinished.output / ".training"
    with pytest.raises(SettingError, match=r"a training must resume with the same lr.*leave the change out, or train into"):
        unfinished.check_same({"lr": 0.2})


class TestWhatMayBeFilled:
    @pytest.mark.parametrize("resume", [False, "auto"])
    def test_a_new_folder(self, tmp_path, resume):
        assert check_output_folder(tmp_path / "new", resume) == tmp_path / "new"
        with pytest.raises(SettingError, match="there is none"):
            check_output_folder(tmp_path / "new", resume=True)

    def test_one_with_an_unfinished_training_only_to_resume_it(self, unfinished):
        with pytest.raises(SettingError, match="holds an unfinished training; resume it by livecell train --resume"):
            check_output_folder(unfinished.output)
        for resume in (True, "auto"):
            assert check_output_folder(unfinished.output, resume) == unfinished.output

    def test_one_that_was_killed_ahead_of_its_record_is_empty(self, unfinished):
        unfinished.record_file.unlink()
        assert check_output_folder(unfinished.output) == unfinished.output

    @pytest.mark.parametrize("resume", [False, "auto"])
    def test_not_one_with_something_else(self, tmp_path, resume):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(SettingError, match="must be empty or new"):
            check_output_folder(tmp_path, resume)

    def test_not_a_finished_bundle(self, tmp_path):
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "metadata.json").write_text("{}")
        with pytest.raises(SettingError, match="this one is finished"):
            check_output_folder(tmp_path, resume=True)
