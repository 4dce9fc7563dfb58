"""The settings written down: every reader of YAML sees the same values, and the files of the checkout are current."""

import math
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from monai.bundle import ConfigParser
from ruamel.yaml import YAML

from livecell_monai.settings import CONFIGS, SETTINGS, list_settings
from livecell_monai.settings.rendering import render_section, render_settings, replace_section, to_yaml, write_all

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (1e-05, "1.0e-05"),
        (1.5e-07, "1.5e-07"),
        (2.0, "2.0"),
        ([256, 256], "[256, 256]"),
        ([0.4], "[0.4]"),
        ("auto", "auto"),
        ("on", '"on"'),
        ("3", '"3"'),
        ("a: b", '"a: b"'),
        ("sqlite:///a b.db", '"sqlite:///a b.db"'),
        ("Zelle ü # 1", '"Zelle ü # 1"'),
    ],
)
def test_a_value_is_read_back_by_every_reader(value, text):
    assert to_yaml(value) == text
    for read in (yaml.safe_load, YAML(typ="safe", pure=True).load):
        found = read(f"x: {text}\n")["x"]
        assert found == value
        assert type(found) is type(value)


def test_infinite_numbers_are_rejected():
    with pytest.raises(ValueError, match="must be finite, got nan"):
        to_yaml(math.nan)


@given(st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("#$@%:\\'\""), min_size=1))
def test_monai_reads_the_texts_of_a_section_unchanged(text):
    section = render_section("inference", {"channel": text, "outputs": ["mask", text]})
    parser = ConfigParser(yaml.safe_load(section))
    assert parser.get_parsed_content("channel") == text
    assert parser.get_parsed_content("outputs") == ["mask", text]
    assert parser.get_parsed_content("settings")["channel"] == text


@pytest.mark.parametrize("config", CONFIGS)
def test_a_section_has_values_and_a_mapping(config):
    section = yaml.safe_load(render_section(config))
    mapping = section.pop("settings" if config == "inference" else "+settings")
    assert section == list_settings([config])
    assert mapping == {name: f"@{name}" for name in section}


def test_a_section_with_other_values():
    section = yaml.safe_load(render_section("train", {"lr": 0.5, "scale": 2.0}))
    assert section["lr"] == 0.5
    assert "scale" not in section


def test_only_the_section_is_replaced():
    text = f"head\n{render_section('evaluate')}tail\n"
    assert replace_section(text, render_section("evaluate", {"surface_tolerance": 3.0})) == text.replace(
        "surface_tolerance: 2.0", "surface_tolerance: 3.0"
    )


def test_the_settings_of_a_bundle():
    text = render_settings({"lr": 0.5, "scale": [64, 64]}, "what this is")
    assert text.startswith("# what this is\n")
    assert yaml.safe_load(text) == {"scale": [64, 64], "lr": 0.5}
    assert f"lr: 0.5  # {SETTINGS['lr'].description}" in text


def test_the_files_of_the_checkout_are_current(tmp_path):
    shutil.copytree(ROOT / "bundle", tmp_path / "bundle")
    (tmp_path / "docs").mkdir()
    for path in write_all(tmp_path):
        own = ROOT / path.relative_to(tmp_path)
        assert own.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), f"{own}: run make settings"


def test_an_outdated_file_is_updated(tmp_path):
    shutil.copytree(ROOT / "bundle", tmp_path / "bundle")
    (tmp_path / "docs").mkdir()
    path = tmp_path / "bundle" / "configs" / "train.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("\nlr: 0.002", "\nlr: 0.003"), encoding="utf-8")
    write_all(tmp_path)
    assert path.read_text(encoding="utf-8") == (ROOT / "bundle" / "configs" / "train.yaml").read_text(encoding="utf-8")


def test_the_template_has_no_other_plain_values():
    merged = ConfigParser.load_config_files([str(ROOT / "bundle" / "configs" / f"{name}.yaml") for name in CONFIGS])
    plain = {
        name
        for name, value in merged.items()
        if (not isinstance(value, dict) or value == {}) and not set("$@%") & set(str(value))
    }
    assert plain == {*SETTINGS, "bundle_root", "unlabelled"}  # where to read
    assert set(merged["settings"]) == set(SETTINGS)
