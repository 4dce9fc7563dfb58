"""The hidden folder of a training, and what may be filled or gone on with."""

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.training.training_folder import TrainingFolder, check_output_folder


@pytest.fixture
def unfinished(tmp_path):
    folder = TrainingFolder(tmp_path / "model")
    folder.write({"run_id": None, "settings": {"lr": 0.1}})
    return folder


def test_facts_are_kept_and_laid_over_each_other(unfinished):
    unfinished.write({"run_id": "42"})
    assert TrainingFolder(unfinished.output).read() == {"run_id": "42", "settings": {"lr": 0.1}}


def test_one_process_at_a_time(unfinished):
    other = TrainingFolder(unfinished.output)
    with unfinished.kept_to_one(), pytest.raises(SettingError, match="one training at a time"), other.kept_to_one():
        pass
    with other.kept_to_one():
        pass


def test_a_complete_bundle_has_none(unfinished):
    (unfinished.path / "000001-checkpoint.pt").write_bytes(b"")
    unfinished.end()
    assert list(unfinished.output.iterdir()) == []


def test_a_record_that_is_none_is_refused(unfinished):
    unfinished.record.write_text("[1, 2]")
    with pytest.raises(DataError, match="must be the record of a training"):
        unfinished.read()


class TestWhatMayBeFilled:
    @pytest.mark.parametrize("resume", [False, "auto"])
    def test_a_new_folder(self, tmp_path, resume):
        assert check_output_folder(tmp_path / "new", resume) == tmp_path / "new"
        with pytest.raises(SettingError, match="there is none"):
            check_output_folder(tmp_path / "new", resume=True)

    def test_one_with_an_unfinished_training_only_where_that_is_asked(self, unfinished):
        with pytest.raises(SettingError, match="go on by livecell train --resume"):
            check_output_folder(unfinished.output)
        for resume in (True, "auto"):
            assert check_output_folder(unfinished.output, resume) == unfinished.output

    def test_one_that_was_killed_ahead_of_its_record_is_empty(self, unfinished):
        unfinished.record.unlink()
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
