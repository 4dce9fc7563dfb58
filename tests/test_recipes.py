"""The recipes of docs/exchange.md: CellProfiler's pipeline finds the images and what `predict --cells` writes for them."""

import re

import pytest

from livecell_monai.outputs.cells import ENDING, STACK_ENDING
from tests.support.pages import ROOT, read_page

PIPELINE = (ROOT / "docs" / "exchange-cellprofiler.cppipe").read_text(encoding="utf-8")
(NAME,) = re.findall("Regular expression to extract from file name:(.+)", PIPELINE)
GREY, LABELS = (pattern.replace(r"\\", "\\") for pattern in re.findall('file does(?:not)? containregexp "(.+)"', PIPELINE))


@pytest.mark.parametrize("name", ["field_01", "a_cells_b", "a.b", "a b"])
def test_images_and_label_images_get_the_same_name(name):
    for ending in (".tif", ".ome.tif", ".png", ".TIFF", ENDING, STACK_ENDING):
        found = re.search(NAME, name + ending)
        assert found
        assert found["Name"] == name


def test_label_images_are_told_from_images():
    assert GREY == LABELS
    assert all(re.search(LABELS, f"field_01{ending}") for ending in (ENDING, STACK_ENDING))
    assert not any(re.search(LABELS, name) for name in ("field_01.tif", "field_01.ome.tif", "a_cells_b.tif", "a_cells.png"))


def test_the_page_repeats_the_pattern_of_the_pipeline():
    assert f"`{NAME}`" in read_page("docs/exchange.md")


def test_names_are_those_of_our_table():
    """`cells.csv` with CellProfiler's names calls the only channel `Image`."""
    assert "    Name to assign these images:Image\n" in PIPELINE
    assert "    Name to assign these objects:Cells\n" in PIPELINE
