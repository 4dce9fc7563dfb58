"""Joins bundles with the same settings of prediction, completely or not at all; tests of crossval cover the predictions."""

import json
import shutil

import pytest

from livecell_monai.bundle.ensemble import join_bundles, note_study
from livecell_monai.bundle.open import open_bundle
from livecell_monai.errors import BundleError


@pytest.fixture
def two(trained, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(trained[1], tmp_path / name)
    return [tmp_path / "one", tmp_path / "two"]


def change(bundle, before, after):
    path = bundle / "configs" / "settings.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_complete_bundle(two, tmp_path):
    join_bundles(two, tmp_path / "both", {"data": "cells"}, "the card\n")
    names = {path.name for path in (tmp_path / "both" / "configs").iterdir()}
    assert names >= {"inference.yaml", "train.yaml", "evaluate.yaml", "metadata.json", "logging.conf"}
    facts = json.loads((tmp_path / "both" / "configs" / "metadata.json").read_text())["training"]
    assert (facts["data"], facts["ensemble_size"]) == ("cells", 2)
    network = open_bundle(tmp_path / "both", ["inference"]).network_def
    assert len(network.members) == 2


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [("\nthreshold: 0.5", "\nthreshold: 0.4", "threshold"), ("filters: [4, 8]", "filters: [4, 8, 16]", "filters")],
)
def test_rejects_bundles_with_different_settings_of_prediction(two, tmp_path, before, after, word):
    change(two[1], before, after)
    with pytest.raises(BundleError, match=f"two: bundles of an ensemble must predict with the same settings, {word} differ"):
        join_bundles(two, tmp_path / "both", {}, "")
    assert not (tmp_path / "both").exists()


def test_removes_the_partial_folder_of_a_killed_process(two, tmp_path):
    (tmp_path / "both.partial" / "configs").mkdir(parents=True)
    (tmp_path / "both.partial" / "configs" / "old.yaml").write_text("")
    join_bundles(two, tmp_path / "both", {}, "")
    assert not (tmp_path / "both.partial").exists()
    assert not (tmp_path / "both" / "configs" / "old.yaml").exists()


def test_adds_the_facts_of_a_study(two):
    before = json.loads((two[0] / "configs" / "metadata.json").read_text())
    card = (two[0] / "docs" / "README.md").read_text()
    note_study(two[0], {"crossval": {"images": 3}}, "## More\n")
    after = json.loads((two[0] / "configs" / "metadata.json").read_text())
    assert after["training"].pop("crossval") == {"images": 3}
    assert after == before
    assert (two[0] / "docs" / "README.md").read_text() == f"{card}\n## More\n"
