"""Outputs of `livecell predict`: a list by --outputs or --set, and two flags that add to it."""

import pytest

from livecell_monai.cli.models import _add_outputs
from livecell_monai.outputs.registry import DEFAULT
from tests.support.commands import livecell, refused


@pytest.mark.parametrize(
    ("settings", "flags", "written", "kept"),
    [
        ({}, {}, [*DEFAULT], None),
        ({}, {"overlay": True}, [*DEFAULT, "overlay"], [*DEFAULT, "overlay"]),
        ({"outputs": ["mask"]}, {"probability": True, "overlay": False}, ["mask", "probability"], ["mask", "probability"]),
        ({"outputs": ["overlay"]}, {"overlay": True}, ["overlay"], ["overlay"]),
        ({"outputs": "mask"}, {"overlay": True}, [], "mask"),  # refused when the bundle is opened
    ],
)
def test_flags_add_outputs(settings, flags, written, kept):
    assert _add_outputs(settings, flags) == written
    assert settings.get("outputs") == kept


def test_the_files_of_the_list_and_of_the_flags(trained, tmp_path):
    data, bundle = trained
    image = data / "test" / "images" / "test_00.tif"
    given = ("predict", bundle, image, "-o", tmp_path / "out", "--set", "show_progress=false")
    outcome = livecell(*given, "--outputs", "mask, probability", "--overlay")
    assert outcome.out == f"{tmp_path / 'out'}: 1 mask\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "test_00.tif",
        "test_00_probability.tif",
        "test_00_overlay.png",
    }


def test_formats_of_other_programs(trained, tmp_path):
    data, bundle = trained
    image = data / "test" / "images" / "test_00.tif"
    given = ("predict", bundle, image, "-o", tmp_path / "out", "--set", "show_progress=false", "--outputs", "mask")
    livecell(*given, "--export", "roi,geojson")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"test_00.tif", "test_00.zip", "test_00.geojson"}
    refused(livecell(*given, "--export", "shp", "--overwrite"), "--export must list some of roi, geojson", "got 'shp'")


def test_overwrite_leaves_no_file_of_the_earlier_run(trained, tmp_path):
    data, bundle = trained
    out, given = tmp_path / "out", ("predict", bundle, data / "test" / "images" / "test_00.tif", "-o", tmp_path / "out")
    quiet = ("--set", "show_progress=false")
    livecell(*given, *quiet, "--overlay", "--probability", "--export", "roi,geojson")
    (out / "test_00_overlay.txt").touch()
    names = {path.name for path in out.iterdir()}
    assert names >= {"test_00_overlay.png", "test_00_probability.tif", "test_00.zip", "test_00.geojson"}
    assert livecell(*given, *quiet, "--overwrite", "--no-cells").code == 0
    assert {path.name for path in out.iterdir()} == {"test_00.tif", "summary.csv", "test_00_overlay.txt"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--outputs", "mask,outline"), "outputs must list some of mask, cells, cell_table, probability"),
        (("--set", "outputs=mask"), "outputs must be a list of names"),
    ],
)
def test_rejects_unknown_outputs(trained, tmp_path, given, words):
    data, bundle = trained
    refused(livecell("predict", bundle, data / "test" / "images", "-o", tmp_path / "out", *given), words)
    assert not (tmp_path / "out").exists()
