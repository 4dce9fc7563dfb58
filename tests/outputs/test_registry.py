"""Outputs by name: built in, from other packages, and unknown names."""

import pytest

from livecell_monai import plugins
from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.mask import Mask
from livecell_monai.outputs.registry import BUILT_IN, DEFAULT, make_outputs
from livecell_monai.settings import SETTINGS

OPTIONS = OutputOptions()


@pytest.mark.parametrize("name", BUILT_IN)
def test_file_names_contain_the_image_name(name):
    """Without `{name}`, the next image would overwrite the file."""
    files = make_outputs([name], OPTIONS)[name].files
    assert all("{name}" in pattern for pattern in (*files.image, *files.movie, *(files.large or ())))
    assert files.image or files.movie or files.run
    assert not any("{" in pattern for pattern in files.run)


def test_outputs_write_different_files():
    made = make_outputs(list(BUILT_IN), OPTIONS).values()
    for kind in ("image", "movie", "run"):
        patterns = [pattern for output in made for pattern in getattr(output.files, kind)]
        assert len(patterns) == len(set(patterns))


def test_order_follows_the_names_without_duplicates():
    assert list(make_outputs(["summary", "mask", "summary"], OPTIONS)) == ["summary", "mask"]


@pytest.mark.parametrize(("given", "got"), [(["mask", "cells"], "'cells'"), ([], "none")])
def test_unknown_name_is_rejected_with_the_known_ones(given, got):
    known = ", ".join(BUILT_IN)
    with pytest.raises(SettingError, match=f"outputs must list some of {known}, got {got}; correct it"):
        make_outputs(given, OPTIONS)


def test_the_default_is_that_of_the_bundle():
    assert SETTINGS["outputs"].default == list(DEFAULT)


def test_plugins_add_outputs_but_do_not_replace_built_in_ones(monkeypatch):
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
