"""Outputs by name: ours, those of other packages, and names that are unknown."""

import pytest

from livecell_monai import plugins
from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.mask import Mask
from livecell_monai.outputs.registry import BUILT_IN, DEFAULT, make_outputs
from livecell_monai.settings import SETTINGS

OPTIONS = OutputOptions()


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_output_names_its_files_by_image(name):
    """A file that lacks `{name}` would be written over by the next image."""
    files = make_outputs([name], OPTIONS)[name].files
    assert all("{name}" in pattern for pattern in (*files.image, *files.movie, *(files.large or ())))
    assert files.image or files.movie or files.run
    assert not any("{" in pattern for pattern in files.run)


def test_no_two_outputs_write_one_file():
    made = make_outputs(list(BUILT_IN), OPTIONS).values()
    for kind in ("image", "movie", "run"):
        patterns = [pattern for output in made for pattern in getattr(output.files, kind)]
        assert len(patterns) == len(set(patterns))


def test_in_the_order_of_the_names_each_once():
    assert list(make_outputs(["summary", "mask", "summary"], OPTIONS)) == ["summary", "mask"]


@pytest.mark.parametrize(("given", "got"), [(["mask", "cells"], "'cells'"), ([], "none")])
def test_an_unknown_name_is_refused_with_the_known_ones(given, got):
    known = ", ".join(BUILT_IN)
    with pytest.raises(SettingError, match=f"outputs must list some of {known}, got {got}; correct it"):
        make_outputs(given, OPTIONS)


def test_the_default_is_that_of_the_bundle():
    assert SETTINGS["outputs"].default == list(DEFAULT)


def test_another_package_adds_one_but_replaces_none_of_ours(monkeypatch):
    points = [Point("theirs"), Point("mask")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "livecell_monai.outputs" else [])
    plugins.load_plugins.cache_clear()
    try:
        made = make_outputs(["theirs", "mask"], OPTIONS)
    finally:
        plugins.load_plugins.cache_clear()
    assert made["theirs"] == "made with foreground"
    assert isinstance(made["mask"], Mask)


class Point:
    """An entry point of another package."""

    value, dist = "theirs:Output", None

    def __init__(self, name):
        self.name = name

    def load(self):
        return lambda options: f"made with {options.channels[0]}"
