import numpy as np
import pytest

from livecell_monai.data.stream.noise import blur, is_chosen, log_uniform, resize, scatter, smooth_noise, window_around


@pytest.mark.parametrize("grain", [0.1, 0.8, 1.5, 4.0, 40.0])
def test_noise_has_deviation_one_and_coarser_grain_varies_less_between_neighbours(grain: float) -> None:
    noise = smooth_noise((120, 90), grain, np.random.default_rng(0))
    assert noise.shape == (120, 90)
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(1, rel=1e-3)
    steps = np.abs(np.diff(noise, axis=0)).mean()
    assert steps < 1.3 / max(grain, 1) or grain < 1
    assert steps > 0.3 / max(grain, 1)


@pytest.mark.parametrize("sigma", [1.0, 3.9, 6.0, 20.0])
def test_a_blur_keeps_the_mean_and_has_its_width(sigma: float) -> None:
    point = np.zeros((241, 241), np.float32)
    point[120, 120] = 1
    soft = blur(point, sigma)
    assert soft.sum() == pytest.approx(1, rel=0.01)
    rows = np.arange(241) - 120
    width = float(np.sqrt((soft.sum(axis=1) * rows**2).sum() / soft.sum()))
    assert width == pytest.approx(sigma, rel=0.12)  # of a coarser grid, and cut off at 3 sigma


def test_points_are_added_and_those_outside_dropped() -> None:
    plane = scatter((3, 4), np.array([0, 0, 2, 5]), np.array([1, 1, 3, 0]), np.array([1.0, 2.0, 4.0, 8.0]))
    assert plane.tolist() == [[0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 4]]


def test_a_window_ends_at_the_border() -> None:
    assert window_around((100, 50), 2, 49, 5) == (slice(0, 8), slice(44, 50))
    assert window_around((100, 50), -20, 10, 5) == (slice(0, 0), slice(5, 16))


def test_draws() -> None:
    rng = np.random.default_rng(0)
    numbers = [log_uniform((0.01, 1.0), rng) for _ in range(400)]
    assert 0.01 <= min(numbers) <= max(numbers) <= 1
    assert np.median(numbers) == pytest.approx(0.1, rel=0.5)
    assert 0.2 < np.mean([is_chosen(0.3, rng) for _ in range(400)]) < 0.4
    assert resize(np.ones((4, 6), np.float32), (8, 3)).shape == (8, 3)
