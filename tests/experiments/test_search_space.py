"""The search space: read, checked, and converted to settings of a training."""

import re

import optuna
import pytest

from livecell_monai.bundle.template import find_template, read_overlay
from livecell_monai.errors import SettingError
from livecell_monai.experiments.search_space import check_space, read_space, to_settings
from livecell_monai.network.start import write_start
from livecell_monai.settings import list_settings
from tests.support.starts import MAPS, NETWORK, make_start

CONFIGS = find_template() / "configs"


@pytest.fixture(scope="module")
def base():
    return list_settings(["inference", "train"])


@pytest.fixture
def written(tmp_path):
    """Writes a search space and returns its path."""

    def write(text):
        path = tmp_path / "space.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def drawn(space, count=20):
    """Values of some trials."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [space.suggest(study.ask()) for _ in range(count)]


class TestBundledSpace:
    def test_entries(self):
        assert set(read_space().entries) == {"lr", "dropout", "batch_size", "loss", "strength"}

    def test_all_limits_are_valid_with_every_recipe(self, base):
        original = {**base, **read_overlay(CONFIGS / "original.yaml", ["inference", "train"])}
        check_space(read_space(), base, {})
        check_space(read_space(), original, {})

    def test_contains_the_settings_of_a_training_without_a_sweep(self, base):
        usual = read_space().usual(base)
        assert usual == {name: base[name] for name in ("lr", "dropout", "batch_size", "loss")} | {"strength": 1}

    def test_every_entry_has_a_comment(self):
        lines = (CONFIGS / "sweep.yaml").read_text(encoding="utf-8").splitlines()
        assert all("  # " in line for line in lines if line and not line.startswith("#"))


class TestValues:
    def test_are_in_the_range_and_of_the_right_type(self, written):
        text = "lr: {low: 0.001, high: 0.1, log: true}\ntta_views: {low: 1, high: 8, step: 7}\npercentiles: "
        space = read_space(written(text + "{choices: [[0.1, 99.9], [2.0, 98.0]]}"))
        values = drawn(space)
        assert all(0.001 <= value["lr"] <= 0.1 for value in values)
        assert sum(value["lr"] < 0.01 for value in values) > 4  # evenly by factors: nearly none below otherwise
        assert {value["tta_views"] for value in values} == {1, 8}
        assert [0.1, 99.9] in [value["percentiles"] for value in values]
        assert all(isinstance(value["percentiles"], list) for value in values)

    def test_a_whole_number_is_a_float_where_the_setting_is_one(self, written):
        values = drawn(read_space(written("dropout: {low: 0, high: 0.9}")))
        assert any(0 < value["dropout"] < 1 for value in values)

    def test_given_settings_are_removed(self, written):
        text = "lr: {low: 0.1, high: 0.2}\nwidth: {choices: [0.5, 1.0]}\nstrength: {low: 0.5, high: 1.0}"
        space = read_space(written(text), {"lr": 0.01, "filters": [8, 16], "noise": 0.1})
        assert set(space.entries) == {"strength"}
        assert space.fixed == ("lr", "width")

    def test_width_is_a_factor_on_the_channels(self, base):
        assert to_settings({"width": 0.5}, base, {}) == {"filters": [8, 16, 32, 64, 128]}
        assert to_settings({"width": 0.1}, {"filters": [8, 20]}, {}) == {"filters": [4, 4]}

    def test_strength_1_changes_nothing_and_0_disables_all(self, base):
        same = to_settings({"strength": 1.0}, base, {})
        assert same == {name: base[name] for name in same}
        none = to_settings({"strength": 0.0}, base, {})
        neutral = {name: 1.0 if base[name] > 1 and name != "blur" else 0.0 for name in none}
        assert none == neutral
        assert {"noise", "gamma", "brightness"} <= set(none)

    def test_strength_does_not_change_given_settings(self, base):
        assert "noise" not in to_settings({"strength": 0.5}, base, {"noise": 0.2})
        assert to_settings({"strength": 0.5}, base, {"noise": 0.2})["brightness"] == pytest.approx(base["brightness"] / 2)


class TestRejected:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("lr: {low: 0.1, high: 0.001}", "lr: low and high must be numbers, the lower one first"),
            ("batch_size: {low: 2.5, high: 8}", "batch_size: low and high must be whole numbers"),
            ("lr: {low: 0, high: 0.1, log: true}", "lr: log must be true or false, for values above 0"),
            ("lr: {low: 0.1}", "lr: low and high must be numbers"),
            ("lr: 0.1", "lr: must have low and high"),
            ("lr: {low: 0.1, high: 0.2, chioces: [1]}", "lr: must have low and high"),
            ("lr: {low: 0.1, high: 0.2, choices: [0.1]}", "lr: must have low and high"),
            ("loss: {choices: []}", "loss: choices must be a list of one value or more"),
            ("loss: {choices: [1]}", "loss: setting loss must be bce, dice_bce, focal or one of a plugin, got 1"),
            ("learning_rate: {low: 0.1, high: 0.2}", "learning_rate: setting learning_rate does not exist"),
            (
                "loss: {choices: ['$1 / 0']}",
                "focal or one of a plugin, got '$1 / 0'",
            ),
            ("split: {choices: [auto, original]}", "split: must not be searched"),
            ("track: {choices: [true, false]}", "track: must not be searched"),
            ("width: {low: 0, high: 1}", "width: a factor must be above 0"),
            (
                "strength: {low: 0, high: 1}\nnoise: {low: 0.0, high: 0.2}",
                "strength must stand alone, noise is a part of it",
            ),
            ("", "the search space must be a mapping of settings"),
            ("{}", "the search space must have an entry"),
            ("lr: [", "the search space must be a YAML file, got 'lr: [', which cannot be read"),
        ],
    )
    def test_an_invalid_file(self, written, text, words):
        with pytest.raises(SettingError, match=re.escape(words)) as caught:
            read_space(written(text))
        assert "\n" not in str(caught.value)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(
            SettingError, match=r"none\.yaml: the search space must be a YAML file, it cannot be read: No such"
        ):
            read_space(tmp_path / "none.yaml")

    def test_an_empty_space(self, written):
        with pytest.raises(SettingError, match="must have an entry that --set does not fix, there is none"):
            read_space(written("lr: {low: 0.1, high: 0.2}"), {"lr": 0.1})

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("dropout: {low: 0.0, high: 1.0}", "dropout"),
            ("lr: {low: -0.1, high: 0.1}", "setting lr must be a number above 0"),
            (
                "loss: {choices: [dice_bce, dise]}",
                "focal or one of a plugin, got 'dise'",
            ),
            ("batch_size: {low: 0, high: 8}", "setting batch_size must be a whole number of at least 1, got 0"),
            ("patch_size: {choices: [[64, 64], [100, 64]]}", "setting patch_size must be [Y, X] in pixels, multiples of"),
        ],
    )
    def test_an_invalid_limit(self, written, base, text, words):
        with pytest.raises(SettingError, match=re.escape(words)):
            check_space(read_space(written(text)), base, {})

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("width: {choices: [1.0, 0.5]}", "search space, width 0.5: setting start must be a start that fits the network"),
            ("norm: {choices: [batch, instance]}", "search space, norm instance: setting start must be a start that fits"),
        ],
    )
    def test_a_network_that_a_named_start_does_not_have(self, written, base, tmp_path, text, words):
        """Before any trial, not at the first one that draws it; `auto` may be left out by a trial."""
        write_start(tmp_path / "a.safetensors", make_start(filters=[16, 32]), {})
        space = read_space(written(text))
        given = {**base, **NETWORK, "filters": [16, 32], "maps": MAPS}
        with pytest.raises(SettingError, match=re.escape(words)) as caught:
            check_space(space, {**given, "start": str(tmp_path / "a.safetensors")}, {})
        assert "\n" not in str(caught.value)
        check_space(
            read_space(written("lr: {low: 0.1, high: 0.2}")), {**given, "start": str(tmp_path / "a.safetensors")}, {}
        )
        for start in ("auto", "none"):
            check_space(space, {**given, "start": start}, {})
        searched = read_space(written(f"{text}\nstart: {{choices: [auto, {tmp_path / 'a.safetensors'}]}}"))
        with pytest.raises(SettingError, match=re.escape(words)):  # a trial may draw both
            check_space(searched, given, {})
        with pytest.raises(SettingError, match=r"^setting start must be a start that fits the network"):
            check_space(space, {**given, "filters": [8, 16], "start": str(tmp_path / "a.safetensors")}, {})
