"""`livecell export` and `livecell import` on the command line."""

import numpy as np
import pytest
import tifffile

from tests.support.annotated import MIXED
from tests.support.commands import livecell, refused


@pytest.fixture
def folders(tmp_path):
    """Label images of a prediction, and the images."""
    for name, pixels in (("labels/a_cells", MIXED.astype(np.uint16)), ("images/a", MIXED.astype(np.uint8))):
        path = tmp_path / f"{name}.tif"
        path.parent.mkdir()
        tifffile.imwrite(path, pixels)
    return tmp_path / "labels", tmp_path / "images"


def test_out_and_in_again(folders, tmp_path):
    labels, images = folders
    outcome = livecell("export", labels, "--format", "roi, geojson", "--output", tmp_path / "out")
    assert outcome.out == f"{tmp_path / 'out'}: 6 cells of 1 image in 2 files, such as a.zip\n"
    given = ("import", tmp_path / "out", "--images", images, "--output", tmp_path / "cells")
    refused(livecell(*given), "must be of one format, got a.geojson and a.zip; choose by --format")
    outcome = livecell(*given, "--format", "roi")
    assert outcome.out == (
        f"{tmp_path / 'cells'}: 1 image with 6 cells, from ImageJ ROIs; next: livecell check {tmp_path / 'cells'}\n"
    )
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "cells" / "train" / "labels" / "a.tif"), MIXED)


def test_notes_of_an_export(folders, tmp_path):
    tifffile.imwrite(folders[0] / "a_cells.tif", np.eye(9, dtype=np.uint8)[:, ::2])
    outcome = livecell("export", folders[0], "--format", "roi", "--output", tmp_path / "out")
    assert "a_cells.tif is a mask of one value: its 5 separate parts are taken as cells" in outcome.err
    assert outcome.out == f"{tmp_path / 'out'}: 5 cells of 1 image in a.zip\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("export", "labels", "--format", "shp", "--output", "out"), "--format must list some of roi"),
        (("export", "nowhere", "--output", "out"), "no such file or folder"),
        (("export", "labels", "--output", "images"), "must be empty or new"),
        (("import", "nowhere", "--images", "images", "--output", "out"), "no such file or folder"),
        (("import", "labels", "--images", "nowhere", "--output", "out"), "no such file or folder"),
        (("import", "labels", "--images", "images", "--output", "out", "--class", "x"), "--class must name classes of"),
        (("import", "labels", "--images", "images", "--output", "labels"), "must be empty or new"),
    ],
)
def test_bad_input_is_one_line(folders, tmp_path, monkeypatch, given, words):
    monkeypatch.chdir(tmp_path)
    refused(livecell(*given), words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "labels"]
