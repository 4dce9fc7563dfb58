import numpy as np
import pytest

from livecell_monai.data.samples.movie_drift import SLOW_H, draw_drift, draw_waves, measure_waves


def test_drift_is_relative_to_the_first_frame() -> None:
    drift = draw_drift(48, 0.5, np.random.default_rng(0))
    assert drift.shift.shape == (48, 2)
    assert drift.blur.shape == drift.light.shape == (48,)
    assert drift.shift[0].tolist() == [0, 0]
    assert 1 < np.abs(drift.shift).max() < 25
    assert 0 <= drift.blur.min() < drift.blur.max() < 2.5
    assert 0.85 < drift.light.min() < drift.light.max() < 1.15


def test_waves_are_smooth_and_standardised() -> None:
    phases = draw_waves(50, SLOW_H, np.random.default_rng(0))
    values = np.array([measure_waves(phases, SLOW_H, hour) for hour in np.arange(0, 500, 0.25)])
    assert values.shape[1] == 50
    assert values.mean() == pytest.approx(0, abs=0.1)
    assert values.std() == pytest.approx(1, abs=0.1)
    assert np.abs(np.diff(values, axis=0)).max() < 0.25
