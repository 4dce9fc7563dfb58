"""What is declared of each setting, and what follows from it."""

import re

import pytest

from livecell_monai.settings import CONFIGS, SETTINGS, check_values, list_settings, select

#: what says where and how loudly one run goes, or what is written beside the masks: not what the model is
UNRECORDED = {
    *("overwrite", "show_progress", "outputs", "surface_tolerance"),
    *("tiling_min_megapixels", "large_image_format", "resume"),
    *("track", "tracking_uri", "experiment", "run_name"),
}


def test_every_default_keeps_its_own_rule():
    assert check_values(list_settings()) == list_settings()


@pytest.mark.parametrize("name", SETTINGS)
def test_is_described_in_one_line(name):
    each = SETTINGS[name]
    assert each.description
    assert "\n" not in each.description
    assert not each.description.endswith(".")
    assert each.rule


def test_a_name_is_declared_once():
    names = [name for groups in CONFIGS.values() for group in groups for name in group.model_fields]
    assert len(names) == len(set(names)) == len(SETTINGS)


def test_what_is_no_part_of_the_method_is_not_recorded():
    assert {name for name, each in SETTINGS.items() if not each.recorded} == UNRECORDED


def test_what_a_mask_depends_on_is_a_setting_of_the_prediction():
    changing = {name for name, each in SETTINGS.items() if each.changes_mask}
    assert changing >= {"scale", "percentiles", "threshold", "window", "overlap", "tta_views", "backend"}
    assert {SETTINGS[name].config for name in changing} == {"inference"}
    assert changing.isdisjoint({"accelerator", "show_progress", "overwrite", "resume"})


def test_what_is_of_this_machine():
    local = {name for name, each in SETTINGS.items() if each.local}
    assert local == {"accelerator", "compile", "show_progress", "track", "tracking_uri", "experiment", "run_name"}


def test_list_settings_of_some_files():
    assert list_settings(["evaluate"]) == {"surface_tolerance": 2.0}
    assert set(list_settings(["inference"])) < set(list_settings())


def test_select_leaves_out_other_names():
    assert select({"lr": 1, "track": True, "unlabelled_images": 3}, "recorded") == {"lr": 1}
    assert select({"lr": 1, "track": True}, "local") == {"track": True}


def test_units_are_short():
    assert all(re.fullmatch(r"\w{0,10}", each.unit) for each in SETTINGS.values())
