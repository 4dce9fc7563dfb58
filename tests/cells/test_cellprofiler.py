"""Names and definitions of CellProfiler, against scikit-image, which its shapes are taken from, and by hand."""

import numpy as np
import pytest
from skimage.measure import regionprops_table

from livecell_monai.cells.cellprofiler import DEFINITIONS, NAMES, from_cellprofiler, scale_grey, to_cellprofiler
from livecell_monai.cells.decode import Decoding, decode
from livecell_monai.cells.measure import measure_cells
from livecell_monai.cells.runs import find_cell_runs, list_touching
from tests.support.cell_worlds import noise

CELLS = decode(noise((200, 220), 3, 5) > 0.5, None, Decoding(1.5, 1.5, 20))
GREY = np.random.default_rng(0).integers(0, 60_000, CELLS.shape).astype(np.uint16)
#: what its source takes from `regionprops_table`
FROM_SCIKIT_IMAGE = {
    "AreaShape_Area": "area",
    "AreaShape_Perimeter": "perimeter",
    "AreaShape_MajorAxisLength": "axis_major_length",
    "AreaShape_MinorAxisLength": "axis_minor_length",
    "AreaShape_Eccentricity": "eccentricity",
    "AreaShape_BoundingBoxMinimum_X": "bbox-1",
    "AreaShape_BoundingBoxMaximum_X": "bbox-3",
    "AreaShape_BoundingBoxMinimum_Y": "bbox-0",
    "AreaShape_BoundingBoxMaximum_Y": "bbox-2",
    "AreaShape_Solidity": "solidity",
    "Location_Center_X": "centroid-1",
    "Location_Center_Y": "centroid-0",
}


def measure(labels, images=None):
    return {to_cellprofiler(name): it for name, it in measure_cells(labels, images, as_cellprofiler=True).items()}


def test_shapes_are_those_of_scikit_image():
    table = measure(CELLS)
    names = sorted({name.split("-")[0] for name in (*FROM_SCIKIT_IMAGE.values(), "orientation")})
    expected = regionprops_table(CELLS, properties=names)
    for ours, theirs in FROM_SCIKIT_IMAGE.items():
        np.testing.assert_allclose(table[ours], expected[theirs], rtol=1e-9, atol=1e-9, err_msg=ours)
    np.testing.assert_allclose(table["AreaShape_Orientation"], np.degrees(expected["orientation"]), atol=1e-6)
    form = 4 * np.pi * expected["area"] / expected["perimeter"] ** 2
    np.testing.assert_allclose(table["AreaShape_FormFactor"], form)


def test_what_is_defined_otherwise_differs_from_our_own():
    own = measure_cells(CELLS, {"": GREY})
    theirs = measure_cells(CELLS, {"": GREY}, as_cellprofiler=True)
    for name in own:
        differs = name.replace("_um", "_px") in {*DEFINITIONS, "form_factor"}
        if not name.endswith(("um", "um2")):
            assert (not np.array_equal(own[name], theirs[name], equal_nan=True)) == differs, name


def test_a_rectangle():
    """4 x 8 pixels: their centres are 3 x 7 apart."""
    label = np.zeros((20, 30), int)
    label[3:7, 5:13] = 1
    one = {name: column[0] for name, column in measure(label).items()}
    assert one["AreaShape_MaxFeretDiameter"] == pytest.approx(np.hypot(3, 7))
    assert one["AreaShape_Perimeter"] == 2 * (3 + 7)
    assert one["AreaShape_Solidity"] == 1
    assert abs(one["AreaShape_Orientation"]) == 90  # from the vertical


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_cells_of_a_few_pixels(shape):
    label = np.zeros((9, 9), int)
    label[2 : 2 + shape[0], 3 : 3 + shape[1]] = 1
    (feret,) = measure(label)["AreaShape_MaxFeretDiameter"]
    assert feret == pytest.approx(np.hypot(shape[0] - 1, shape[1] - 1))
    assert np.isnan(measure(label)["AreaShape_FormFactor"]).all() == (shape == (1, 1))


def test_no_cell_gives_the_same_columns():
    assert list(measure(np.zeros((5, 6), int), {"": GREY[:5, :6]})) == list(measure(CELLS, {"": GREY}))


def test_neighbours_share_an_edge():
    label = np.zeros((9, 9), int)
    label[4, 4], label[5, 5], label[5, 4] = 1, 2, 3
    assert list_touching(find_cell_runs(label)).T.tolist() == [[1, 2], [1, 3], [2, 3]]
    assert measure(label)["Neighbors_NumberOfNeighbors_Adjacent"].tolist() == [1, 1, 2]


def test_grey_values_are_fractions_of_the_greatest_of_their_type():
    assert scale_grey(np.array([0, 255], np.uint8)).tolist() == [0, 1]
    assert scale_grey(np.array([65535], np.uint16)).tolist() == [1]
    assert scale_grey(np.array([2**32 - 1], np.uint32)).tolist() == [1]
    assert scale_grey(np.array([7.5], np.float32)).tolist() == [7.5]
    table = measure(CELLS, {"DAPI": GREY, "GFP": GREY})
    np.testing.assert_allclose(
        table["Intensity_MeanIntensity_DAPI"] * 65535, measure_cells(CELLS, {"": GREY})["intensity_mean"]
    )


def test_names_there_and_back():
    for own in [*measure_cells(CELLS, {"DAPI": GREY, "b_c": GREY}), *measure_cells(CELLS, {"": GREY})]:
        assert from_cellprofiler(to_cellprofiler(own)) == own
    assert to_cellprofiler("intensity_sd") == "Intensity_StdIntensity_Image"
    assert to_cellprofiler("intensity_max_b_c") == "Intensity_MaxIntensity_b_c"
    assert to_cellprofiler("area_um2") == "area_um2"
    assert set(NAMES) < set(measure_cells(CELLS))
