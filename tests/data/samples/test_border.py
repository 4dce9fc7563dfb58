import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.samples.border import measure_border

FACING = """
....................
.11....2222.........
.11....2222.....33..
.11....2222.....33..
.11.............33..
.............44.....
.............44.....
"""


def read_picture(picture: str) -> NDArray[np.uint16]:
    rows = picture.split()
    return np.array([[0 if letter == "." else int(letter) for letter in row] for row in rows], dtype=np.uint16)


def measure_slowly(label: NDArray[np.uint16], weight: float, sigma: float) -> NDArray[np.float64]:
    """Equation 2 as it stands: one distance transform of the whole field per cell, nothing cut off."""
    distances = [ndimage.distance_transform_edt(label != number) for number in np.unique(label[label > 0])]
    first, second = np.sort(distances, axis=0)[:2]
    return np.where(label == 0, 1 + weight * np.exp(-((first + second) ** 2) / (2 * sigma**2)), 1.0)


@pytest.mark.parametrize(("weight", "sigma"), [(10.0, 5.0), (3.0, 1.5)])
def test_agrees_with_the_formula(weight: float, sigma: float) -> None:
    label = np.pad(read_picture(FACING), 15)
    border = measure_border(label, weight, sigma)
    assert border.dtype == np.float32
    # The cut at 4 sigma leaves out weight * exp(-8).
    np.testing.assert_allclose(border, measure_slowly(label, weight, sigma), atol=weight * np.exp(-8) + 1e-5)


def test_agrees_with_the_formula_among_many_cells() -> None:
    rng = np.random.default_rng(0)
    label = np.zeros((120, 150), dtype=np.uint16)
    for number, (y, x) in enumerate(zip(rng.integers(0, 110, 25), rng.integers(0, 140, 25), strict=True), start=1):
        label[y : y + 9, x : x + 7] = number
    np.testing.assert_allclose(measure_border(label), measure_slowly(label, 10.0, 5.0), atol=10 * np.exp(-8) + 1e-5)


def test_one_pixel_gap_weighs_most() -> None:
    label = np.zeros((9, 9), dtype=np.uint16)
    label[:, :4], label[:, 5:] = 1, 2
    border = measure_border(label)
    # Both cells lie one pixel from the gap: 1 + 10 exp(-(1 + 1)^2 / 50).
    np.testing.assert_allclose(border[:, 4], 1 + 10 * np.exp(-4 / 50), rtol=1e-6)
    assert np.all(border[label > 0] == 1)


def test_far_and_lonely_cells_weigh_nothing() -> None:
    label = np.zeros((60, 60), dtype=np.uint16)
    label[5:10, 5:10] = 1
    assert np.all(measure_border(label) == 1)
    label[5:10, 40:45] = 2
    assert np.all(measure_border(label) == 1)
    label[5:10, 13:18] = 2
    assert measure_border(label).max() > 5


def test_empty_field_weighs_one() -> None:
    assert np.all(measure_border(np.zeros((8, 9), dtype=np.uint16)) == 1)


def test_ids_may_have_gaps() -> None:
    label = np.pad(read_picture(FACING), 15)
    sparse = np.array([0, 7, 500, 65535, 31], dtype=np.uint16)[label]
    np.testing.assert_array_equal(measure_border(sparse), measure_border(label))
