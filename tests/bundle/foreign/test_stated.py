"""Settings that a package of `livecell export-model` states."""

import pytest

from livecell_monai.bundle.foreign.stated import read_stated_settings
from livecell_monai.bundle.open import open_bundle
from livecell_monai.errors import SettingError
from tests.support.foreign_models import describe_05, make_model, of_foreground, write_package

WEIGHTS = make_model([of_foreground()])
OURS = "config: {livecell: {threshold: 0.4, scale: 9, cells: {seed_depth: 3, min_cell_area: 7, later: 1}}}"


def write(folder, config):
    return write_package(folder / "m.zip", WEIGHTS, f"{describe_05(WEIGHTS)}\n{config}\n")


def test_its_own_settings_and_those_of_nobody_else(tmp_path):
    expected = {"threshold": 0.4, "seed_depth": 3.0, "min_cell_area": 7}
    assert read_stated_settings(write(tmp_path, OURS)) == expected
    for other in ("", "config: {}", "config: {livecell: 1}", "config: {other: {cells: {seed_depth: 3}}}", "config: [1]"):
        assert read_stated_settings(write(tmp_path, other)) == {}
    (tmp_path / "m.onnx").write_bytes(WEIGHTS)
    assert read_stated_settings(tmp_path / "m.onnx") == {}


def test_they_stand_in_for_those_of_a_bundle_and_can_be_overridden(tmp_path):
    package = write(tmp_path, OURS)
    settings = open_bundle(package, ["inference"], {"min_cell_area": 9}).settings
    assert [settings[name] for name in ("threshold", "seed_depth", "min_cell_area")] == [0.4, 3.0, 9]
    plain = open_bundle(write(tmp_path, ""), ["inference"]).settings
    assert plain["seed_depth"] != 3.0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            "{cells: {seed_depth: -1}}",
            r"m\.zip: rdf\.yaml: config\.livecell: setting seed_depth must be .*, got -1; correct it",
        ),
        ("{cells: {min_cell_area: many}}", "setting min_cell_area must be .*, got 'many'"),
        ("{threshold: 2}", "setting threshold must be .*, got 2"),
        ("{cells: 3}", r"config\.livecell\.cells must be a mapping of settings, got '3'; export the model again"),
    ],
)
def test_values_that_break_the_rule(config, words, tmp_path):
    with pytest.raises(SettingError, match=words) as refusal:
        open_bundle(write(tmp_path, f"config: {{livecell: {config}}}"), ["inference"])
    assert "\n" not in str(refusal.value)
