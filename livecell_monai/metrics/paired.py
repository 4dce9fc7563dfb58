"""The difference of two networks on the same images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.metrics.summary import measure_mean


@dataclass(frozen=True)
class PairedDifference:
    """What a score gains from one network to another on the same images.

    Attributes:
        images: how many both have scored.
        mean: of the other's score less the first's, in [-1, 1].
        interval_95: (low, high) of the mean; None below 3 images.
        better: images that the other scores higher on.
        worse: images that it scores lower on.
        equal: images on which both score the same.
    """

    images: int
    mean: float
    interval_95: tuple[float, float] | None
    better: int
    worse: int
    equal: int


def measure_paired_difference(
    first: NDArray[Any], other: NDArray[Any], resamples: int = 10_000, seed: int = 0
) -> PairedDifference:
    """The mean difference of two scores by image, with its interval by a bootstrap over images.

    An image that is hard for one network is hard for the other too; within pairs that falls out, so that this interval is
    narrower than those of the two means let expect. It tells of other images of the same kind, not of other trainings.

    Args:
        first: (images,) a score of each image by the first network, finite, higher is better.
        other: (images,) the same of the other network, in the same order.
        resamples: number of bootstrap samples over images.
        seed: of the bootstrap.

    Raises:
        ValueError: where the two are not of the same images, or there are none.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979 (percentile method),
    of the paired differences.
    """
    before, after = np.asarray(first, dtype=float), np.asarray(other, dtype=float)
    if before.ndim != 1 or before.shape != after.shape or not before.size:
        raise ValueError(f"must be two scores of each image, of one or more, got {before.shape} and {after.shape}")
    gains = after - before
    gains[np.isclose(gains, 0.0, rtol=0.0, atol=1e-12)] = 0.0  # the last bit of a ratio is no difference
    mean, interval = measure_mean(gains, resamples, seed)
    better, worse = int(np.count_nonzero(gains > 0)), int(np.count_nonzero(gains < 0))
    low_high = None if interval is None else (interval[0], interval[1])
    return PairedDifference(gains.size, mean, low_high, better, worse, gains.size - better - worse)
