"""Names of measurements, and which of them a cell has."""

import numpy as np
import pytest

from livecell_monai.cells.cellprofiler import to_cellprofiler
from livecell_monai.cells.columns import COLUMNS
from livecell_monai.cells.measure import measure_cells
from livecell_monai.exchange.measurements import choose_values, name_columns, to_measurements
from tests.support.annotated import MIXED

#: ids without a gap, as `measure_cells` takes them
LABELS = np.where(MIXED == 7, 6, MIXED).astype(np.int32)
GREY = np.arange(49, dtype=np.uint8).reshape(7, 7)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("area_um2", "Area µm^2"),
        ("area_px", "Area px^2"),
        ("perimeter_um", "Perimeter µm"),
        ("feret_px", "Max diameter px"),
        ("form_factor", "Circularity"),
        ("orientation_deg", "Orientation °"),
        ("intensity_min", "Intensity: Min"),
        ("intensity_sd_DAPI 2", "DAPI 2: Std.dev."),
        ("probability_mean", "Probability mean"),
        ("AreaShape_Area", "AreaShape_Area"),
        ("Intensity_MeanIntensity_Image", "Intensity_MeanIntensity_Image"),
    ],
)
def test_names_are_like_those_of_qupath(column, name):
    assert name_columns([column]) == {column: name}


def test_what_says_which_cell_it_is_is_no_measurement():
    for cast in (str, to_cellprofiler):
        named = name_columns(map(cast, COLUMNS))
        left_out = {name for name in COLUMNS if cast(name) not in named}
        assert left_out == {
            *("ImageNumber", "image", "frame", "time_min", "cell", "pixel_size_y_um", "pixel_size_x_um"),
            *(f"box_{side}_px" for side in ("top", "left", "bottom", "right")),
            *("centroid_y_px", "centroid_x_px"),
        }
        assert len(set(named.values())) == len(named)


def test_pixels_where_micrometres_are_not_known():
    names = name_columns(["area_px", "area_um2", "feret_px", "feret_um", "solidity"])
    known = {"area_px": 4.0, "area_um2": 1.0, "feret_px": 3.0, "feret_um": float("nan"), "solidity": float("inf")}
    assert choose_values(known, names) == {"Area µm^2": 1, "Max diameter px": 3}


@pytest.mark.parametrize("size", [None, (0.5, 0.5)])
def test_all_cells_of_an_image(size):
    columns = measure_cells(LABELS, {"": GREY}, None, size)
    found = to_measurements(columns)
    assert list(found) == [1, 2, 3, 4, 5, 6]
    assert found[2]["Area px^2" if size is None else "Area µm^2"] == (2 if size is None else 0.5)
    assert found[2]["Intensity: Mean"] == (6 + 12) / 2
    assert found[3]["Touches border"] == 0
    names = set().union(*found.values())
    assert any("µm" in name for name in names) == (size is not None)
    assert not any("px" in name for name in names) or size is None
    assert all(np.isfinite(list(values.values())).all() for values in found.values())
    assert found == to_measurements({to_cellprofiler("cell"): columns.pop("cell"), **columns})
