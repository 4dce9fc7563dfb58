"""The columns of the table of cells, described."""

import numpy as np

from livecell_monai.cells.cellprofiler import DEFINITIONS, to_cellprofiler
from livecell_monai.cells.columns import COLUMNS, find_columns
from livecell_monai.cells.measure import measure_cells
from tests.support.cell_worlds import TOUCHING

GREY = np.arange(TOUCHING.size).reshape(TOUCHING.shape)


def find_column(name, scheme="livecell"):
    (column,) = find_columns([name], scheme).values()
    return column


TABLE = measure_cells(TOUCHING, {"": GREY}, np.ones(TOUCHING.shape, np.float32), (0.5, 0.5))


def test_every_measurement_is_described():
    for name, column in TABLE.items():
        found = find_column(name)
        assert found.name == name
        assert found.description.endswith("."), name
        kinds = {"b": "boolean", "i": "integer", "f": "number"}
        assert found.kind == kinds[column.dtype.kind], name


def test_the_end_of_a_name_is_its_unit():
    units = {"px": "px", "um": "µm", "um2": "µm²", "deg": "deg", "min": "min"}
    for name in [*TABLE, *COLUMNS]:
        ending = name.rpartition("_")[2]
        if ending in units and not name.startswith("intensity"):
            assert find_column(name).unit == units[ending], name


def test_columns_of_channels():
    column = find_column("intensity_mean_GFP_2")
    assert (column.kind, column.unit) == ("number", "grey value")
    assert column.description == "Channel GFP_2: Mean of the original grey values."


def test_an_unknown_column_is_a_text():
    column = find_column("of_another_package_um")
    assert (column.kind, column.unit, column.description) == ("text", "", "")


def test_columns_of_cellprofiler():
    """By its definition where that differs, also in µm; in the same order."""
    names = list(map(to_cellprofiler, TABLE))
    theirs = find_columns(["ImageNumber", "image", *names], "cellprofiler")
    assert list(theirs) == ["ImageNumber", "image", *names]
    for own, name in zip(TABLE, names, strict=True):
        assert theirs[name].kind == find_column(own).kind
        differs = own.replace("_um", "_px") in DEFINITIONS
        assert (theirs[name].description != find_column(own).description) == differs, name
    assert (theirs["Intensity_MeanIntensity_Image"].unit, theirs["perimeter_um"].unit) == ("", "µm")
    assert "scikit-image" in theirs["perimeter_um"].description


def test_the_order_does_not_depend_on_that_of_the_names():
    two = measure_cells(TOUCHING, {"b": GREY, "a": GREY})
    names = ["image", "frame", "time_min", *two]
    assert list(find_columns(names)) == names
    assert list(find_columns(["image", *two, "frame", "unknown", "time_min", "frame"])) == [*names, "unknown"]
