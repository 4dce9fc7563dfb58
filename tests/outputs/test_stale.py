"""Files of an earlier prediction, and those of the user beside them."""

import os
import zipfile

import numpy as np
import pytest

from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.registry import list_patterns
from livecell_monai.outputs.stale import find_stale, remove_stale
from tests.support.annotated import write_labels

OURS = ["a_overlay.png", "a_probability.tif", "a_frames.csv", "a_confluency.png"]
PATTERNS = list_patterns(OutputOptions())


@pytest.fixture
def earlier(tmp_path):
    """The results of an earlier prediction of `a`."""
    labels = np.ones((7, 7), np.uint16)
    for name in OURS:
        (tmp_path / name).touch()
    for kind in ("roi", "geojson"):
        write_labels(kind, tmp_path, labels)
    (tmp_path / "summary.csv").write_text("image,seconds\na,1\n")
    return tmp_path


def find(folder):
    return sorted(path.name for path in find_stale(folder, PATTERNS).get("a", []))


def test_files_of_images_in_the_table(earlier):
    assert find(earlier) == sorted([*OURS, "a.geojson", "a.zip"])
    (earlier / "summary.csv").write_text("image,seconds\nb,1\n")
    assert find(earlier) == []
    (earlier / "summary.csv").unlink()
    assert find_stale(earlier, PATTERNS) == {}


def test_what_the_user_made_or_changed_is_not_found(earlier):
    with zipfile.ZipFile(earlier / "a.zip", "w") as file:
        file.writestr("1.roi", b"")
    (earlier / "a.geojson").write_text('{"features":[{"id":"x","properties":{"name":"1"}}]}')
    for name in ("a.tif", "a.png", "a_notes.txt", "b_overlay.png"):
        (earlier / name).touch()
    written = (earlier / "summary.csv").stat().st_mtime
    for path in earlier.iterdir():
        os.utime(path, (written, written))
    os.utime(earlier / "a_overlay.png", (written + 5, written + 5))
    assert find(earlier) == sorted(set(OURS) - {"a_overlay.png"})


def test_only_what_this_run_does_not_write_is_deleted(earlier):
    found = find_stale(earlier, PATTERNS)
    remove_stale(found, {"b"}, ())
    assert find(earlier) == sorted(path.name for path in found["a"])
    remove_stale(found, {"a", "a_probability"}, {"a_overlay.png"})  # an image of the run has the stem
    assert find(earlier) == ["a_overlay.png", "a_probability.tif"]
