"""Entry points of other packages, found by name or rejected in one line."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.plugins import load_plugins
from tests.support.plugin_packages import installed, write_package

METRICS = "livecell_monai.metrics"


def test_an_object_is_found_by_its_name(tmp_path):
    folder = write_package(tmp_path, "cell_scores", "BEST = 42", {METRICS: {"best": "cell_scores:BEST"}})
    assert "best" not in load_plugins("metrics")
    with installed(folder):
        assert load_plugins("metrics")["best"] == 42
        assert "best" not in load_plugins("losses")
    assert "best" not in load_plugins("metrics")


def test_an_import_error_names_the_package(tmp_path):
    folder = write_package(tmp_path, "broken_scores", "raise RuntimeError('no GPU')", {METRICS: {"a": "broken_scores:A"}})
    with installed(folder), pytest.raises(SettingError) as caught:
        load_plugins("metrics")
    expected = "broken_scores: 'a' of livecell_monai.metrics cannot be loaded (no GPU); update or uninstall it"
    assert str(caught.value) == expected


def test_rejects_one_name_of_two_packages(tmp_path):
    for name in ("scores_a", "scores_b"):
        write_package(tmp_path, name, "X = 1", {METRICS: {"same": f"{name}:X"}})
    with installed(tmp_path), pytest.raises(SettingError, match=r"the name 'same' in livecell_monai\.metrics is taken"):
        load_plugins("metrics")
