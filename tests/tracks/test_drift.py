import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.tracks.drift import DriftEstimator


def blobs(seed: int, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    plane = np.zeros(shape, np.float32)
    for y, x in rng.integers(20, (shape[0] - 40, shape[1] - 40), (30, 2)):
        plane[y : y + 14, x : x + 14] = rng.uniform(0.5, 1)
    return plane


@pytest.mark.parametrize("shift", [(8, -12), (0, 4), (-20, 30)])
def test_the_shift_of_a_whole_frame_is_found(shift: tuple[int, int]) -> None:
    frame = blobs(0)
    estimator = DriftEstimator()
    assert estimator.follow(frame) == (0, 0)
    found = estimator.follow(np.roll(frame, shift, (0, 1)))
    assert found == pytest.approx(shift, abs=1)


def test_cells_that_move_on_their_own_are_no_drift() -> None:
    estimator = DriftEstimator()
    estimator.follow(blobs(0))
    assert estimator.follow(blobs(1)) == (0, 0)
    assert estimator.follow(blobs(1)) == (0, 0)


def test_an_empty_frame_has_no_shift() -> None:
    estimator = DriftEstimator()
    estimator.follow(blobs(0))
    assert estimator.follow(np.zeros((300, 400))) == (0, 0)
    assert DriftEstimator().follow(np.zeros((1, 1))) == (0, 0)


def dish(shift: tuple[float, float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells and the grey image of a dish with fixed dirt, shifted by the stage; the cells are elsewhere each time."""
    rng = np.random.default_rng(5)
    dirt = ndimage.gaussian_filter(rng.normal(size=(300, 400)), 1.5)
    cells = blobs(seed) > 0
    noise = np.random.default_rng(seed).normal(size=cells.shape)
    image = np.where(cells, 2.0, ndimage.shift(dirt, shift, mode="wrap") + 0.03 * noise)
    return cells, image + np.linspace(0, 1, 400)


@pytest.mark.parametrize("shift", [(0.6, -0.4), (3.0, 2.5), (-9.0, 14.0)])
def test_the_background_tells_the_shift_among_cells_that_move(shift: tuple[float, float]) -> None:
    estimator = DriftEstimator()
    estimator.follow(*dish((0, 0), 0))
    assert estimator.follow(*dish(shift, 1)) == pytest.approx(shift, abs=0.15)


@pytest.mark.parametrize("margin", [np.s_[150:151, 200:201], np.s_[:3], np.s_[:, -40:]])
def test_pixels_that_are_not_finite_do_not_count(margin: tuple[slice, ...]) -> None:
    estimator, found = DriftEstimator(), (0.0, 0.0)
    for shift, seed in (((0, 0), 0), ((3.0, 2.5), 1)):
        cells, image = dish(shift, seed)
        image[margin] = np.nan
        found = estimator.follow(cells, image)
    assert found == pytest.approx((3.0, 2.5), abs=0.15)
    assert estimator.follow(cells, np.full_like(image, np.nan)) == (0, 0)


def test_backgrounds_of_noise_have_no_shift() -> None:
    estimator, rng = DriftEstimator(), np.random.default_rng(0)
    for seed in (0, 1):
        found = estimator.follow(blobs(seed) > 0, rng.normal(size=(300, 400)))
    assert found == (0, 0)


def test_a_confluent_frame_counts_as_a_whole() -> None:
    estimator, everywhere = DriftEstimator(), np.ones((300, 400), bool)
    estimator.follow(everywhere, dish((0, 0), 0)[1])
    assert estimator.follow(everywhere, np.roll(dish((0, 0), 0)[1], (4, 0), (0, 1))) == pytest.approx((4, 0), abs=0.2)
