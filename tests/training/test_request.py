"""What was asked on the command line, noted and asked again."""

import json
from pathlib import Path

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.training.request import TrainingRequest, ask, check_given_settings, read_request
from livecell_monai.training.training_folder import TrainingFolder


@pytest.fixture
def overlay(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("noise: 0.1\n")
    return path


def test_comes_back_from_json(overlay):
    question = ask("cells", [str(overlay), "smoke"], {"lr": 0.1, "filters": [4, 8]}, unlabelled=["more"]).planned(
        str(overlay)
    )
    assert TrainingRequest.from_json(json.loads(json.dumps(question.to_json()))) == question


def test_overlays_and_plan_need_their_files_no_more(overlay):
    question = ask("cells", [str(overlay)]).planned(str(overlay))
    overlay.unlink()
    with question.laid_out() as (plan, files):
        assert plan == files[0]
        assert [Path(file).read_text() for file in files] == ["noise: 0.1\n"] * 2
    with ask("cells").laid_out() as laid:
        assert laid == (None, [])


class TestAnother:
    def test_the_same_one_from_elsewhere(self, overlay, tmp_path):
        (tmp_path / "moved.yaml").write_text(overlay.read_text())
        begun, now = ask("cells", [str(overlay)]), ask("moved", [str(tmp_path / "moved.yaml")])
        begun.check_same_run(tmp_path, now)
        assert begun.digest() == now.digest()

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            ({"settings": {"lr": 0.2}}, "setting lr, begun with 0.1, now 0.2"),
            ({"settings": {}}, "setting lr, begun with 0.1, now None"),
            ({"recipe": "original"}, "recipe, begun with planned, now original"),
            ({"devices": 2}, "devices, begun with 1, now 2"),
            ({"unlabelled": ["more"]}, "unlabelled, begun with"),
            ({"overlays": ["smoke"]}, "overlays, begun with"),
        ],
    )
    def test_is_refused_by_what_differs(self, tmp_path, other, words):
        begun, now = ask("cells", settings={"lr": 0.1}), ask("cells", **{"settings": {"lr": 0.1}, **other})
        with pytest.raises(SettingError, match=words):
            begun.check_same_run(tmp_path, now)
        assert begun.digest() != now.digest()

    def test_where_and_how_loudly_it_goes_is_no_part_of_it(self, tmp_path):
        begun = ask("cells", settings={"show_progress": True, "lr": 0.1})
        now = begun.asked_with({"show_progress": False, "tracking_uri": "http://elsewhere", "lr": 9})
        begun.check_same_run(tmp_path, now)
        assert now.settings == {"show_progress": False, "tracking_uri": "http://elsewhere", "lr": 0.1}


class TestGivenAgain:
    @pytest.fixture
    def folder(self, tmp_path):
        TrainingFolder(tmp_path).write({"settings": {"lr": 0.1, "epochs": 7}, "question": ask("cells").to_json()})
        return tmp_path

    def test_with_the_same_value_or_aside(self, folder):
        check_given_settings(folder, {"lr": 0.1, "track": False})
        assert read_request(folder) == ask("cells")

    def test_with_another_value(self, folder):
        with pytest.raises(SettingError, match="same epochs, begun with 7, now 9"):
            check_given_settings(folder, {"epochs": 9})


def test_what_monais_own_command_has_begun_is_for_it_to_go_on_with(tmp_path):
    TrainingFolder(tmp_path).write({"question": None})
    with pytest.raises(SettingError, match="call that again with --resume true"):
        read_request(tmp_path)


def test_the_report_recipe_takes_no_unlabelled_images():
    with pytest.raises(SettingError, match="--unlabelled must be left out"):
        ask("cells", recipe="original", unlabelled=["more"])
