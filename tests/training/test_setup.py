"""Recipe, overlays, settings and options of a training."""

import pytest

from livecell_monai.bundle.contents import read_bundle_settings
from livecell_monai.errors import SettingError
from livecell_monai.settings import SETTINGS, select
from livecell_monai.tasks import train
from livecell_monai.training.setup import RunContext, resolve_settings
from tests.support.small_training import SMALL

pytestmark = pytest.mark.usefixtures("without_figures")


class TestResolvedSettings:
    def test_are_those_of_the_training(self, folder, tmp_path):
        """From configs, plan, overlay and settings, the later over the earlier."""
        (tmp_path / "mine.yaml").write_text("noise: 0.33\nblur: 0.9\n")
        overlays, settings = [str(tmp_path / "mine.yaml")], {**SMALL, "blur": 0.7}
        found = resolve_settings(folder, overlays, settings)
        train(folder, tmp_path / "model", overlays, settings)
        taken = read_bundle_settings(tmp_path / "model")
        assert (found["noise"], found["blur"], found["filters"]) == (0.33, 0.7, [4, 8])
        assert found["zoom"] != SETTINGS["zoom"].default  # planned
        noted = set(select(found, "recorded")) - {"pos_weight", "lr_step"}  # which are made numbers
        assert {name: found[name] for name in noted} == {name: taken[name] for name in noted}

    def test_the_original_recipe_has_no_plan(self, folder):
        found = resolve_settings(folder, recipe="original")
        assert (found["split"], found["zoom"], found["filters"][0]) == ("original", [0.8, 1.25], 64)


@pytest.mark.parametrize(("start", "part"), [("auto", 1.0), ("none", 0.5)])
def test_a_short_training_keeps_the_scale_of_its_start(folder, start, part):
    full = resolve_settings(folder, settings={"minutes": 5.0, "start": start})["scale"]
    assert resolve_settings(folder, settings={"minutes": 0.5, "start": start})["scale"] == part * full


def test_an_unknown_recipe_is_rejected(folder):
    with pytest.raises(SettingError, match="the recipe must be one of planned, original"):
        resolve_settings(folder, recipe="mine")


def test_options_do_not_change_request_and_weights(folder, tmp_path):
    epochs = []
    context = RunContext(parent_run="42", on_epoch=lambda epoch, row: epochs.append(epoch), resume=True, force=True)
    plain, with_options = (
        train(folder, tmp_path / name, settings=SMALL, context=given) for name, given in (("a", None), ("b", context))
    )
    assert epochs == [1, 2]
    assert plain["request_sha256"] == with_options["request_sha256"]
    assert plain["weights_sha256"] == with_options["weights_sha256"]
