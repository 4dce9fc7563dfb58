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


#: what CellProfiler 4.2.8.1 itself writes for `draw_world`, read from a TIFF of labels and one of 8 bits; to 7 digits
FROM_CELLPROFILER = {
    "ObjectNumber": [1, 2, 3, 4, 5, 6],
    "Location_Center_Y": [2.5, 11.2069, 9, 9.5, 20.5, 5.5],
    "Location_Center_X": [3.052632, 8.172414, 20, 11, 25.5, 24],
    "AreaShape_BoundingBoxMinimum_Y": [0, 8, 9, 8, 18, 4],
    "AreaShape_BoundingBoxMinimum_X": [0, 4, 20, 9, 20, 24],
    "AreaShape_BoundingBoxMaximum_Y": [6, 17, 10, 12, 24, 8],
    "AreaShape_BoundingBoxMaximum_X": [7, 15, 21, 14, 32, 25],
    "AreaShape_Area": [38, 29, 1, 20, 72, 4],
    "AreaShape_Perimeter": [24.41421, 22, 0, 14, 32, 2],
    "AreaShape_MajorAxisLength": [8.357656, 17.13682, 0, 5.656854, 13.80821, 4.472136],
    "AreaShape_MinorAxisLength": [7.152475, 4.494803, 0, 4.472136, 6.831301, 0],
    "AreaShape_Orientation": [90, 52.68524, 45, 90, 90, 0],
    "AreaShape_Eccentricity": [0.5173083, 0.9649893, 0, 0.6123724, 0.8690482, 1],
    "AreaShape_Solidity": [0.9047619, 0.5178571, 1, 1, 1, 1],
    "AreaShape_MaxFeretDiameter": [7.81025, 12.80625, 0, 5, 12.08305, 3],
    "AreaShape_FormFactor": [0.8011392, 0.7529437, np.inf, 1.282283, 0.8835729, 12.56637],
    "Intensity_MeanIntensity_Image": [0.449226, 0.4508452, 0.5607843, 0.5078431, 0.5076253, 0.4019608],
    "Intensity_StdIntensity_Image": [0.3320399, 0.2948541, 0, 0.1894751, 0.2810084, 0.03069113],
    "Intensity_MinIntensity_Image": [0, 0.01960784, 0.5607843, 0.2980392, 0.02352941, 0.3607843],
    "Intensity_MaxIntensity_Image": [0.9686275, 0.9960784, 0.5607843, 0.8862745, 1, 0.4431373],
    "Neighbors_NumberOfNeighbors_Adjacent": [0, 1, 0, 1, 0, 0],
    "Neighbors_FirstClosestDistance_Adjacent": [10.1006, 3.302838, 5.315073, 3.302838, 12.74755, 5.315073],
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


def draw_world():
    """A cell with a hole at the corner, one of two parts, one pixel, one that touches the second, a corner, a line."""
    label = np.zeros((24, 32), int)
    label[0:6, 0:7] = 1
    label[2:4, 2:4] = 0
    label[8:12, 4:9] = label[14:17, 12:15] = 2
    label[9, 20] = 3
    label[8:12, 9:14] = 4
    label[18:24, 20:32] = 5
    label[4:8, 24] = 6
    y, x = np.indices(label.shape)
    return label, ((7 * y + 13 * x * x) % 256).astype(np.uint8)


def test_values_are_those_that_cellprofiler_writes():
    label, grey = draw_world()
    table = measure(label, {"": grey})
    assert not np.allclose(measure_cells(label)["perimeter_px"], FROM_CELLPROFILER["AreaShape_Perimeter"], rtol=1e-3)
    undefined = {"AreaShape_Orientation": 0, "AreaShape_FormFactor": np.nan}  # of the single pixel, cell 3
    for name, expected in FROM_CELLPROFILER.items():
        if name in undefined:
            np.testing.assert_equal(table[name][2], undefined[name])
            expected = [*expected[:2], undefined[name], *expected[3:]]
        np.testing.assert_allclose(table[name], expected, rtol=1e-5, err_msg=name)


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
