"""How sure the gain of a learning curve is: a training repeated on other data of the same amount gives another score.

Source: Student, "The Probable Error of a Mean", Biometrika 6, 1908 (intervals of a mean from few values).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

LEVEL = 0.95  #: of intervals
FEWEST = 3  #: folds for an interval; two say nothing about a third
FALLS = 2  #: a gain counts only above so many times the largest fall of the curve, which is noise alone

#: the scores of one fold by amount, least first; for each amount one score by draw, the mean over the fold's held-out images
FoldScores = Sequence[Sequence[float]]


def measure_gain_error(folds: Sequence[FoldScores]) -> float | None:
    """The half width of the 95 % interval of the gain from the last but one amount to the last, in units of the score.

    It is the largest of three: what folds differ by, what draws of the same amount differ by, and twice the largest fall of
    the mean curve, because more data do not make a network worse. None below three folds.
    """
    if len(folds) < FEWEST:
        return None
    return max(_spread_of_folds(folds), _spread_of_draws(folds), FALLS * find_largest_fall(folds))


def find_largest_fall(folds: Sequence[FoldScores]) -> float:
    """By how much the mean over folds falls at most from one amount to the next; 0 if it never does."""
    curve = np.mean([[np.mean(draws) for draws in scores] for scores in folds], axis=0)
    return max(0.0, *(float(before - after) for before, after in pairwise(curve)))


def _spread_of_folds(folds: Sequence[FoldScores]) -> float:
    """Half width from the gains of the folds, each of which has trainings of its own."""
    gains = [np.mean(scores[-1]) - np.mean(scores[-2]) for scores in folds]
    return _quantile(len(gains) - 1) * float(np.std(gains, ddof=1)) / math.sqrt(len(gains))


def _spread_of_draws(folds: Sequence[FoldScores]) -> float:
    """Half width from the differences between draws of one amount in one fold; 0 if each was drawn once."""
    repeated = [np.asarray(draws, dtype=float) for scores in folds for draws in scores if len(draws) > 1]
    if not repeated:
        return 0.0
    freedom = sum(len(draws) - 1 for draws in repeated)
    variance = sum(float(np.square(draws - draws.mean()).sum()) for draws in repeated) / freedom
    of_gain = sum(1 / len(scores[-1]) + 1 / len(scores[-2]) for scores in folds) / len(folds) ** 2
    return _quantile(freedom) * math.sqrt(variance * of_gain)


def _quantile(freedom: int) -> float:
    """How many standard errors the interval reaches to each side."""
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))
