"""Measurements of cells, against scikit-image and by hand."""

import numpy as np
import pytest
from skimage.measure import regionprops_table

from livecell_monai.cells.decode import Decoding, decode
from livecell_monai.cells.measure import measure_cells
from tests.support.cell_worlds import TOUCHING, noise

CELLS = decode(noise((200, 220), 3, 5) > 0.5, None, Decoding(seed_depth=1.5, min_area=20))
GREY = np.random.default_rng(0).integers(0, 60_000, CELLS.shape).astype(np.uint16)
SAME = {
    "cell": "label",
    "centroid_y_px": "centroid-0",
    "centroid_x_px": "centroid-1",
    "box_top_px": "bbox-0",
    "box_left_px": "bbox-1",
    "box_bottom_px": "bbox-2",
    "box_right_px": "bbox-3",
    "area_px": "area",
    "perimeter_px": "perimeter_crofton",
    "axis_major_px": "axis_major_length",
    "axis_minor_px": "axis_minor_length",
    "eccentricity": "eccentricity",
    "intensity_mean": "intensity_mean",
    "intensity_sd": "intensity_std",
    "intensity_min": "intensity_min",
    "intensity_max": "intensity_max",
}


def test_they_are_those_of_scikit_image():
    table = measure_cells(CELLS, {"": GREY})
    names = sorted({name.split("-")[0] for name in (*SAME.values(), "orientation", "feret_diameter_max", "solidity")})
    expected = regionprops_table(CELLS, GREY, properties=names)
    for ours, theirs in SAME.items():
        np.testing.assert_allclose(table[ours], expected[theirs], rtol=1e-9, atol=1e-9, err_msg=ours)
    np.testing.assert_allclose(table["orientation_deg"], np.degrees(expected["orientation"]), atol=1e-6)
    # ours are those of the polygon of the pixels' edges, theirs of an image of the hull
    np.testing.assert_allclose(table["feret_px"], expected["feret_diameter_max"], atol=1)
    np.testing.assert_allclose(table["solidity"], expected["solidity"], atol=0.1)


def test_a_rectangle():
    label = np.zeros((20, 30), int)
    label[3:7, 5:13] = 1
    one = {name: column[0] for name, column in measure_cells(label, pixel_size_um=(0.5, 0.25)).items()}
    assert (one["area_px"], one["area_um2"], one["solidity"]) == (32, 4.0, 1.0)
    assert one["feret_px"] == pytest.approx(np.hypot(4, 8))
    assert (one["centroid_y_px"], one["centroid_x_um"]) == (4.5, 8.5 * 0.25)
    assert abs(one["orientation_deg"]) == 90
    assert (one["touches_border"], one["neighbours"]) == (False, 0)
    assert np.isnan(one["nearest_px"])


@pytest.mark.parametrize("left", range(4))
def test_a_symmetric_cell_lies_exactly_along_an_axis(left):
    """Rounding must not turn 90 degrees into -90."""
    label = np.zeros((8, 12), int)
    label[0:6, left : left + 7] = 1
    label[2:4, left + 2 : left + 4] = 0
    assert measure_cells(label)["orientation_deg"].tolist() == [90]


def test_neighbours_and_the_border():
    table = measure_cells(decode(TOUCHING > 0, None, Decoding(seed_depth=1.5, min_area=5)))
    assert sorted(table["neighbours"].tolist()) == [0, 2, 2, 2]
    label = np.zeros((9, 9), int)
    label[0, 4], label[4, 8], label[4, 4], label[5, 5] = 1, 2, 3, 4
    table = measure_cells(label)
    assert table["touches_border"].tolist() == [True, True, False, False]
    assert table["neighbours"].tolist() == [0, 0, 1, 1]
    assert table["nearest_px"].tolist() == [
        4,
        pytest.approx(np.sqrt(10)),
        pytest.approx(np.sqrt(2)),
        pytest.approx(np.sqrt(2)),
    ]


def test_channels_and_probability():
    table = measure_cells(CELLS, {"DAPI": GREY, "GFP": GREY * 0 + 7}, probability=np.full(CELLS.shape, 51, np.uint8))
    assert (table["intensity_sd_GFP"] == 0).all()
    assert (table["intensity_mean_GFP"] == 7).all()
    assert set(table["probability_mean"]) == {0.2}
    assert "intensity_mean" not in table


def test_an_image_of_another_shape_is_not_measured():
    with pytest.raises(ValueError, match="shape of the labels"):
        measure_cells(CELLS, {"": np.pad(GREY, ((0, 0), (0, 5)))})


def test_lengths_in_um_where_pixels_are_not_square():
    label = np.zeros((90, 120), int)
    label[:20, :20], label[50:70, :20], label[:20, 60:80] = 1, 2, 3  # 50 px down are 100 µm, 60 px right are 30 µm
    table = measure_cells(label, pixel_size_um=(2.0, 0.5))
    np.testing.assert_allclose(table["nearest_px"], [50, 50, 60])
    np.testing.assert_allclose(table["nearest_um"], [30, 100, 30])
    np.testing.assert_allclose(table["area_um2"], 400.0)
    assert np.isnan([table[f"{name}_um"] for name in ("feret", "perimeter", "axis_major", "axis_minor")]).all()
    nearly = measure_cells(label, pixel_size_um=(0.5, 0.501))
    np.testing.assert_allclose(nearly["feret_um"], 0.5 * table["feret_px"], rtol=2e-3)


def test_without_a_pixel_size_columns_in_um_are_empty():
    assert np.isnan(measure_cells(CELLS)["area_um2"]).all()


def test_no_cell_gives_the_same_columns():
    empty, full = measure_cells(np.zeros((5, 6), int), {"": GREY[:5, :6]}), measure_cells(CELLS, {"": GREY})
    assert list(empty) == list(full)
    assert {len(column) for column in empty.values()} == {0}
