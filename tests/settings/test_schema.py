"""The declaration of each setting; values checked against it: messages, unknown names, rules between settings."""

import re

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.settings import (
    CONFIGS,
    SETTINGS,
    check_setting,
    check_settings,
    check_values,
    find_setting,
    input_multiple,
    list_settings,
    select,
)

#: what says where and how loudly one run goes, or what is written beside the masks: not what the model is
UNRECORDED = {
    *("overwrite", "show_progress", "outputs", "surface_tolerance"),
    *(
        "tiling_min_megapixels",
        "large_image_format",
        "cell_table_format",
        "cell_table_names",
        "own_settings",
        "resume",
        "model_outputs",
    ),
    *("track", "tracking_uri", "experiment", "run_name"),
}


def test_every_default_is_valid():
    assert check_values(list_settings()) == list_settings()


def test_each_is_described_in_one_line():
    for name, each in SETTINGS.items():
        assert each.description, name
        assert "\n" not in each.description, name
        assert not each.description.endswith("."), name
        assert each.rule, name


def test_a_name_is_declared_once():
    names = [name for groups in CONFIGS.values() for group in groups for name in group.model_fields]
    assert len(names) == len(set(names)) == len(SETTINGS)


def test_unrecorded_settings():
    assert {name for name, each in SETTINGS.items() if not each.recorded} == UNRECORDED


def test_settings_that_change_masks():
    changing = {name for name, each in SETTINGS.items() if each.changes_mask}
    assert changing >= {"scale", "percentiles", "threshold", "window", "overlap", "tta_views", "backend"}
    assert {SETTINGS[name].config for name in changing} == {"inference"}
    assert changing.isdisjoint({"accelerator", "show_progress", "overwrite", "resume"})


def test_local_settings():
    local = {name for name, each in SETTINGS.items() if each.local}
    assert local == {"accelerator", "compile", "show_progress", "track", "tracking_uri", "experiment", "run_name"}


def test_list_settings_of_some_files():
    assert list_settings(["evaluate"]) == {"surface_tolerance": 2.0}
    assert set(list_settings(["inference"])) < set(list_settings())


def test_select_leaves_out_other_names():
    assert select({"lr": 1, "track": True, "unlabelled_images": 3}, "recorded") == {"lr": 1}
    assert select({"lr": 1, "scale": 2.0}, "changes_mask") == {"scale": 2.0}


def test_units_are_short():
    assert all(re.fullmatch(r"\w{0,10}", each.unit) for each in SETTINGS.values())


def test_the_message_has_the_rule():
    with pytest.raises(SettingError, match=r"^setting lr must be a number above 0, got -1; correct it$"):
        check_values({"loss": "bce", "lr": -1})


def test_the_message_starts_with_the_file():
    with pytest.raises(SettingError, match=r"^mine.yaml: setting lr must be"):
        check_setting("lr", -1, where="mine.yaml")


def test_whole_numbers_become_floats_and_tuples_lists():
    checked = check_values({"lr": 1, "filters": (4, 8), "scale": 2})
    assert [type(checked[name]) for name in ("lr", "scale")] == [float, float]
    assert checked["filters"] == [4, 8]
    assert [type(width) for width in checked["filters"]] == [int, int]


def test_a_number_of_thousands_of_digits_is_rejected_in_one_line():
    with pytest.raises(SettingError, match=r"setting window_batch must be .* got a number of too many digits"):
        check_setting("window_batch", 16**10_000)


class TestUnknownNames:
    @pytest.mark.parametrize(
        ("name", "near"), [("learning_rate", "lr_gamma|brightness|rotation|.*"), ("epoch", "epochs"), ("filter", "filters")]
    )
    def test_are_rejected_with_the_nearest_name(self, name, near):
        with pytest.raises(SettingError, match=rf"^setting {name} does not exist, did you mean ({near})\?"):
            check_values({name: 1})

    def test_a_setting_of_a_file_that_is_not_used(self):
        with pytest.raises(SettingError, match=r"^setting lr must be left out here, it belongs to train.yaml, which is not"):
            check_values({"lr": 0.1}, ["inference"])

    def test_find_setting_rejects_them(self):
        assert find_setting("lr").default == 0.002
        with pytest.raises(SettingError, match=r"did you mean lr"):
            find_setting("lrr")


NETWORK = {"filters": [4, 8, 16], "stem_stride": 2, "norm": "batch"}


class TestRulesBetweenSettings:
    def test_sizes_are_multiples(self):
        check_settings({**NETWORK, "window": [24, 8], "patch_size": [8, 8]})
        for name in ("window", "patch_size"):
            with pytest.raises(SettingError, match=rf"setting {name} must be \[Y, X\] in pixels, multiples of 8 = stem_str"):
                check_settings({**NETWORK, name: [24, 12]})

    def test_twice_as_much_with_instance_norm(self):
        with pytest.raises(SettingError, match=r"multiples of 16 ="):
            check_settings({**NETWORK, "norm": "instance", "window": [24, 16]})

    def test_an_automatic_window_is_not_checked(self):
        assert check_settings({**NETWORK, "window": "auto"})["window"] == "auto"

    def test_are_skipped_if_a_setting_is_missing(self):
        check_settings({"window": [3, 5]})

    def test_an_ensemble_is_not_trained(self):
        check_settings({"ensemble_size": 2})
        with pytest.raises(SettingError, match=r"setting ensemble_size must be 1 in a training, got 2; train each network"):
            check_settings({"ensemble_size": 2}, is_training=True)


@pytest.mark.parametrize(
    ("levels", "stem_stride", "norm", "multiple"), [(2, 1, "batch", 2), (5, 2, "batch", 32), (5, 2, "instance", 64)]
)
def test_input_multiple(levels, stem_stride, norm, multiple):
    assert input_multiple(levels, stem_stride, norm) == multiple
