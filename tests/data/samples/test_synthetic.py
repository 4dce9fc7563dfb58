import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.samples.phase_contrast import BRIGHTEST, DARKEST
from livecell_monai.data.samples.synthetic import Field, draw_field, measure_border

SIDE = 256


@pytest.fixture(scope="module")
def fields() -> list[Field]:
    return [draw_field((SIDE, SIDE + 32), rng=np.random.default_rng(seed)) for seed in range(6)]


def count_touching(label: NDArray[np.uint16]) -> int:
    """How many pairs of cells share an edge of a pixel."""
    pairs = set()
    for one, other in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
        meet = (one != other) & (one > 0) & (other > 0)
        pairs |= {tuple(sorted(pair)) for pair in zip(one[meet].tolist(), other[meet].tolist(), strict=True)}
    return len(pairs)


def score_otsu(image: NDArray[np.float64], label: NDArray[np.uint16]) -> float:
    """IoU of the better side of Otsu's threshold."""
    counts, edges = np.histogram(image, 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below, above = np.cumsum(counts)[:-1], counts.sum() - np.cumsum(counts)[:-1]
    total = np.cumsum(counts * middle)
    between = (total[:-1] * (below + above) - total[-1] * below) ** 2 / (below * above)
    bright, cells = image > edges[1:-1][np.argmax(between)], label > 0
    return max(float((side & cells).sum() / (side | cells).sum()) for side in (bright, ~bright))


def test_form_and_range(fields: list[Field]) -> None:
    for field in fields:
        assert field.image.shape == field.label.shape == (SIDE, SIDE + 32)
        assert (field.image.dtype, field.label.dtype) == (np.uint16, np.uint16)
        assert field.image.min() >= DARKEST
        assert field.image.max() <= BRIGHTEST
        # Not washed out at either end: a camera that clips would lose what the network should see.
        assert np.mean((field.image == DARKEST) | (field.image == BRIGHTEST)) < 0.02


def test_ids_run_without_gaps_and_each_is_one_piece(fields: list[Field]) -> None:
    for field in fields:
        assert np.unique(field.label).tolist() == list(range(field.label.max() + 1))
        for number in range(1, field.label.max() + 1):
            assert ndimage.label(field.label == number)[1] == 1


def test_foreground_is_a_minority(fields: list[Field]) -> None:
    assert all(0.10 <= np.mean(field.label > 0) <= 0.25 for field in fields)


def test_cells_touch_and_leave_narrow_gaps(fields: list[Field]) -> None:
    assert sum(count_touching(field.label) for field in fields) >= len(fields)
    assert max(measure_border(field.label).max() for field in fields) > 5


def test_a_threshold_does_not_solve_it(fields: list[Field]) -> None:
    for field in fields:
        grey = field.image.astype(float)
        assert score_otsu(grey, field.label) < 0.6
        assert score_otsu(np.abs(grey - ndimage.gaussian_filter(grey, 40)), field.label) < 0.6


def test_threshold_solves_an_easy_world() -> None:
    label = np.zeros((40, 40), dtype=np.uint16)
    label[5:20, 5:20] = 1
    assert score_otsu(np.where(label > 0, 100.0, 900.0), label) == 1


def test_cells_can_be_told_from_the_dish(fields: list[Field]) -> None:
    for field in fields:
        grey = field.image.astype(float)
        bare = ndimage.distance_transform_edt(field.label == 0) > 12
        assert grey[field.label > 0].std() > 2 * (grey - ndimage.gaussian_filter(grey, 15))[bare].std()


def test_same_seed_same_field_and_other_seed_other_field() -> None:
    one, again, other = (draw_field((128, 128), rng=np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert one.image.tobytes() == again.image.tobytes()
    assert one.label.tobytes() == again.label.tobytes()
    assert not np.array_equal(one.label, other.label)


def test_smallest_field_is_drawn() -> None:
    for seed in range(5):
        assert draw_field((64, 64), rng=np.random.default_rng(seed)).image.shape == (64, 64)


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
    """Equation 2 directly: one distance transform of the whole field per cell, nothing cut off."""
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
