"""What templates have said: this one by itself, earlier ones by hashes that stay."""

import json
from importlib.resources import files

import pytest

from livecell_monai.bundle.open import find_template
from livecell_monai.bundle.trusting.known import PATHS, describe_template, hash_entry, is_plain, know

TEMPLATE = find_template()
NAMES = ("inference.yaml", "train.yaml", "evaluate.yaml", "multi_gpu_train.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_the_installed_template_is_known(name):
    known = know(TEMPLATE, name)
    entries, settings = describe_template(TEMPLATE, name)
    assert all(hash_entry(value) in known.hashes[key] for key, value in entries.items())
    assert all(value in known.settings[key] for key, value in settings.items())
    assert known.needed <= entries.keys()
    assert not set(PATHS) & set(known.settings)


def test_earlier_entries_are_known_beside_those_of_today():
    kept = json.loads(files("livecell_monai.bundle.trusting").joinpath("known.json").read_text(encoding="utf-8"))
    first = kept["inference.yaml"]["entries"]["network_def"][0]  # of 0.1.0, a UNet without members
    known = know(TEMPLATE, "inference.yaml")
    assert first in known.hashes["network_def"]
    assert first != hash_entry(known.entries["network_def"])
    assert len(known.hashes["network_def"]) >= 2
    assert 0.25 in known.settings["overlap"]  # a share of the window in 0.1.0, pixels since


def test_a_name_that_no_template_has():
    assert know(TEMPLATE, "mine.yaml") is None


def test_a_hash_hangs_on_values_and_kinds_alone():
    assert hash_entry({"a": 1, "b": [2]}) == hash_entry({"b": [2], "a": 1})
    assert len({hash_entry(value) for value in (1, 1.0, True, "1", [1], {"1": 1}, None)}) == 7
    assert hash_entry([1, 2]) != hash_entry([2, 1])


@pytest.mark.parametrize("value", [1, 0.5, True, None, "a $ b", [1, "x"], "a@b", "100 %"])
def test_plain(value):
    assert is_plain(value)


@pytest.mark.parametrize("value", ["$1", " $1", "@a", "%a", "\t%a", [1, ["$1"]], {"a": 1}, object()])
def test_not_plain(value):
    assert not is_plain(value)
