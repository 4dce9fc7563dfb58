"""The request of a training and its folder: recorded, read again and compared."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.training.request import (
    TrainingRequest,
    check_given_settings,
    check_output_folder,
    make_request,
    read_request,
    training_ledger,
)


@pytest.fixture
def overlay(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("noise: 0.1\n")
    return path


def test_round_trip_through_json(overlay):
    request = make_request("cells", [str(overlay), "smoke"], {"lr": 0.1, "filters": [4, 8]}, unlabelled=["more"])
    request = replace(request, plan="scale: 0.5\n")
    assert TrainingRequest(**json.loads(json.dumps(asdict(request)))) == request


def test_overlays_and_plan_are_kept_as_text(overlay):
    request = replace(make_request("cells", [str(overlay)]), plan="scale: 0.5\n")
    overlay.unlink()
    with request.as_files() as files:
        assert [Path(file).read_text() for file in files] == ["scale: 0.5\n", "noise: 0.1\n"]
    with make_request("cells").as_files() as files:
        assert files == []


class TestCheckSame:
    def test_other_paths(self, overlay, tmp_path):
        (tmp_path / "moved.yaml").write_text(overlay.read_text())
        started, now = make_request("cells", [str(overlay)]), make_request("moved", [str(tmp_path / "moved.yaml")])
        started.check_same(tmp_path, now)
        assert started.digest() == now.digest()

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            ({"settings": {"lr": 0.2}}, "setting lr: started with 0.1, now 0.2"),
            ({"settings": {}}, "setting lr: started with 0.1, now nothing"),
            ({"recipe": "original"}, 'recipe: started with "planned", now "original"'),
            ({"devices": 2}, "devices: started with 1, now 2"),
            ({"unlabelled": ["more"]}, "unlabelled: started with"),
            ({"overlays": ["smoke"]}, "overlays: started with"),
        ],
    )
    def test_the_first_difference_is_an_error(self, tmp_path, other, words):
        started, now = (
            make_request("cells", settings={"lr": 0.1}),
            make_request("cells", **{"settings": {"lr": 0.1}, **other}),
        )
        with pytest.raises(SettingError, match=words):
            started.check_same(tmp_path, now)
        assert started.digest() != now.digest()

    def test_local_settings_may_differ(self, tmp_path):
        started = make_request("cells", settings={"show_progress": True, "lr": 0.1})
        now = started.with_local({"show_progress": False, "tracking_uri": "http://elsewhere", "lr": 9})
        started.check_same(tmp_path, now)
        assert now.settings == {"show_progress": False, "tracking_uri": "http://elsewhere", "lr": 0.1}


class TestGivenSettings:
    @pytest.fixture
    def folder(self, tmp_path):
        training_ledger(tmp_path).start({"lr": 0.1, "epochs": 7}, request=asdict(make_request("cells")))
        return tmp_path

    def test_equal_or_local_settings(self, folder):
        check_given_settings(folder, {"lr": 0.1, "track": False})
        assert read_request(folder) == make_request("cells")

    def test_another_value(self, folder):
        with pytest.raises(SettingError, match="same epochs: started with 7, now 9"):
            check_given_settings(folder, {"epochs": 9})


class TestStart:
    """A path is that of the folder in which the training was started, which may not be the one in which it resumes."""

    @pytest.fixture
    def start(self, tmp_path, monkeypatch):
        (tmp_path / "trained").mkdir()
        (tmp_path / "inside").mkdir()
        monkeypatch.chdir(tmp_path)
        return str(tmp_path / "trained")

    def test_on_resume_it_is_compared_by_its_whole_path(self, start, tmp_path, monkeypatch):
        request = make_request("cells", settings={"start": "trained"})
        assert request.settings == {"start": start}
        training_ledger("model").start(request.settings, request=asdict(request))
        check_given_settings("model", {"start": "trained"})
        monkeypatch.chdir(tmp_path / "inside")
        check_given_settings("../model", {"start": "../trained"})
        with pytest.raises(SettingError, match="must resume with the same start: started with"):
            check_given_settings("../model", {"start": "trained"})

    @pytest.mark.parametrize(
        ("texts", "settings", "found"),
        [
            (["start: trained\n"], {}, "trained"),
            (["start: inside\n", "start: trained\n", "noise: 0.1\n"], {}, "trained"),
            (["start: trained\n"], {"start": "none"}, "none"),
            (["start: trained\n", "start: none\n"], {}, None),
            (["start: models:/cells@best\n"], {}, None),
        ],
    )
    def test_one_of_an_overlay_has_its_whole_path_too(self, start, tmp_path, texts, settings, found):
        files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        request = make_request("cells", [str(file) for file in files], settings)
        assert request.settings.get("start") == (start if found == "trained" else found)


def test_a_training_started_by_monai_bundle_run(tmp_path):
    training_ledger(tmp_path).start({}, request=None)
    with pytest.raises(SettingError, match="call that again with --resume true"):
        read_request(tmp_path)


def test_the_original_recipe_takes_no_unlabelled_images():
    with pytest.raises(SettingError, match="--unlabelled must be left out"):
        make_request("cells", recipe="original", unlabelled=["more"])


@pytest.fixture
def unfinished(tmp_path):
    ledger = training_ledger(tmp_path / "model")
    ledger.start({"lr": 0.1}, run_id=None)
    return ledger


def test_the_ledger_is_hidden_in_the_folder_of_the_bundle(unfinished):
    assert unfinished.path == unfinished.output / ".training"
    with pytest.raises(SettingError, match=r"a training must resume with the same lr.*leave the change out, or train into"):
        unfinished.check_same({"lr": 0.2})


class TestOutputFolder:
    @pytest.mark.parametrize("resume", [False, "auto"])
    def test_a_new_folder(self, tmp_path, resume):
        assert check_output_folder(tmp_path / "new", resume) == tmp_path / "new"
        with pytest.raises(SettingError, match="there is none"):
            check_output_folder(tmp_path / "new", resume=True)

    def test_an_unfinished_training_can_only_be_resumed(self, unfinished):
        with pytest.raises(SettingError, match="holds an unfinished training; resume it by livecell train --resume"):
            check_output_folder(unfinished.output)
        for resume in (True, "auto"):
            assert check_output_folder(unfinished.output, resume) == unfinished.output

    def test_a_folder_without_a_record_counts_as_empty(self, unfinished):
        unfinished.record_file.unlink()
        assert check_output_folder(unfinished.output) == unfinished.output

    @pytest.mark.parametrize("resume", [False, "auto"])
    def test_other_files_are_an_error(self, tmp_path, resume):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(SettingError, match="must be empty or new"):
            check_output_folder(tmp_path, resume)

    def test_a_finished_bundle_cannot_be_resumed(self, tmp_path):
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "metadata.json").write_text("{}")
        with pytest.raises(SettingError, match="this one is finished"):
            check_output_folder(tmp_path, resume=True)
