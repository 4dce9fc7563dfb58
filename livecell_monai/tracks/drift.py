"""How far each frame of a movie is shifted against the one before: drift of the stage, and jitter.

By phase correlation: Guizar-Sicairos et al., "Efficient subpixel image registration algorithms", Optics Letters 33, 2008,
as scikit-image implements it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.sample import Pixels

_LONGEST_SIDE = 256  # px that are correlated; larger frames are averaged to this
_UPSAMPLING = 10
_BETTER = 0.02  # by which the correlation of two frames must grow before a shift is believed
_ALIKE = 0.5  # least correlation of two frames that show the same cells
_FARTHEST = 0.4  # of a side; beyond it too little of the two frames overlaps


class DriftEstimator:
    """Receives the frames of a movie one by one; keeps one of them, binned."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def follow(self, frame: Pixels) -> tuple[float, float]:
        """The shift (y, x) in px of a frame (Y, X) against the one before it; 0 for the first, and where none is seen.

        A shift counts only if the two frames correlate better with it: cells that move are no drift.
        """
        step = -(-max(frame.shape) // _LONGEST_SIDE)
        small = _bin(frame, step)
        before, self._before = self._before, small
        if before is None or before.shape != small.shape or not (before.std() > 0 and small.std() > 0):
            return 0.0, 0.0
        y, x = _correlate(before, small)
        is_far = abs(y) > _FARTHEST * small.shape[0] or abs(x) > _FARTHEST * small.shape[1]
        if is_far or (y, x) == (0, 0):
            return 0.0, 0.0
        agreement = _agreement(before, small, (y, x))
        if agreement < max(_ALIKE, _agreement(before, small, (0.0, 0.0)) + _BETTER):
            return 0.0, 0.0
        return y * step, x * step


def _correlate(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[float, float]:
    from skimage.registration import phase_cross_correlation

    planes = [plane - plane.mean() for plane in (before, after)]
    shift = phase_cross_correlation(*planes, upsample_factor=_UPSAMPLING, normalization=None)[0]
    return -float(shift[0]), -float(shift[1])  # scikit-image returns what brings the second frame back


def _agreement(before: NDArray[np.float32], after: NDArray[np.float32], shift: tuple[float, float]) -> float:
    """Pearson's correlation of what two frames share if the second is moved back by a shift; 0 for a flat frame."""
    moved = ndimage.shift(after, (-shift[0], -shift[1]), order=1, mode="nearest")
    y, x = (int(np.ceil(abs(one))) for one in shift)
    inner = (slice(y, before.shape[0] - y), slice(x, before.shape[1] - x))
    first, second = before[inner].ravel(), moved[inner].ravel()
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _bin(frame: Pixels, step: int) -> NDArray[np.float32]:
    """The means of blocks of `step` x `step` pixels; a rest at the lower and right side is left out."""
    rows, columns = (max(1, length // step) for length in frame.shape)
    step = min(step, *frame.shape)
    part = frame[: rows * step, : columns * step].astype(np.float32)
    means: NDArray[np.float32] = part.reshape(rows, step, columns, step).mean(axis=(1, 3))
    return means
