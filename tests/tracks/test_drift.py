import numpy as np
import pytest

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
