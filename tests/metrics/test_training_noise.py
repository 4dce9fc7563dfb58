"""How sure a gain is: folds, draws and falls of a learning curve, on tables made by hand."""

import numpy as np
import pytest

from livecell_monai.metrics.training_noise import find_largest_fall, measure_gain_error

FLAT = [[0.5], [0.5]]


def test_two_folds_have_no_interval():
    assert measure_gain_error([FLAT, FLAT]) is None
    assert measure_gain_error([FLAT, FLAT, FLAT]) == 0


def test_folds_that_differ_give_the_interval_of_student():
    gains = [0.0, 0.1, 0.2]
    folds = [[[0.5], [0.5 + gain]] for gain in gains]
    # 4.303 is the 97.5 % point of t with 2 degrees of freedom in any table
    assert measure_gain_error(folds) == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)


def test_draws_that_differ_widen_it():
    alike = [[[0.5, 0.5], [0.6]]] * 3
    assert measure_gain_error(alike) == pytest.approx(0)
    folds = [[[0.45, 0.55], [0.6]]] * 3
    # variance 0.005 of a training by 3 degrees of freedom, of a gain 0.005 (1 / 2 + 1) / 3
    assert measure_gain_error(folds) == pytest.approx(3.182 * 0.0025**0.5, rel=1e-3)


def test_a_fall_widens_it_to_twice_itself():
    rising, falling = [[0.3], [0.4], [0.5], [0.6]], [[0.3], [0.5], [0.4], [0.6]]
    assert measure_gain_error([rising] * 3) == pytest.approx(0)
    assert find_largest_fall([falling] * 3) == pytest.approx(0.1)
    assert measure_gain_error([falling] * 3) == pytest.approx(0.2)


def test_a_fall_of_one_fold_that_the_mean_lacks_does_not_count():
    assert find_largest_fall([[[0.5], [0.4]], [[0.4], [0.6]]]) == 0


def test_noise_alone_is_called_a_gain_in_at_most_one_of_forty():
    """Trainings whose scores do not depend on the amount: 3 folds, 3 amounts, noise of 0.05."""
    rng = np.random.default_rng(1)
    tables = rng.normal(0.5, 0.05, size=(500, 3, 3, 1))
    found = [(float((table[:, 2] - table[:, 1]).mean()), measure_gain_error(table.tolist())) for table in tables]
    assert np.mean([gain > error for gain, error in found]) <= 0.025
    # while a gain of ten times the noise is found in most
    found = [(0.5 + gain, error) for gain, error in found]
    assert np.mean([gain > error for gain, error in found]) >= 0.9
