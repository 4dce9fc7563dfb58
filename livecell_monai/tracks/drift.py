"""How far each frame of a movie is shifted against the one before: drift of the stage, and jitter.

By phase correlation: Guizar-Sicairos et al., "Efficient subpixel image registration algorithms", Optics Letters 33, 2008,
as scikit-image implements it. Of a grey image the background counts, which moves with the stage; cells move on their own.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.sample import Pixels

_LONGEST_SIDE = 512  # px that are correlated; larger frames are averaged to this
_UPSAMPLING = 10
_COARSE = 12  # sigma in correlated px: slower changes of the light are no structure
_HALO = 6  # correlated px around cells that change with them
_LEAST = 0.2  # of the pixels must be background, or all count
_BRIGHTEST = 4.0  # standard deviations to which the background is cut: a speck that floats by must not decide
_BETTER = 0.02  # by which the correlation of two masks must grow before a shift is believed
_ALIKE = 0.5  # least correlation of two masks that show the same cells
_ALIKE_GREY = 0.3  # of two backgrounds
_FARTHEST = 0.4  # of a side; beyond it too little of the two frames overlaps
_Plane = NDArray[np.float32]


class DriftEstimator:
    """Receives the frames of a movie one by one; keeps one of them, binned."""

    def __init__(self) -> None:
        self._before: _Plane | None = None

    def follow(self, cells: Pixels, image: Pixels | None = None) -> tuple[float, float]:
        """The shift (y, x) in px of a frame against the one before it; 0 for the first, and where none is seen.

        `cells` is the mask (Y, X) of its cells, `image` its grey values (Y, X): their background is compared if they are
        given, else the mask; pixels that are not finite do not count. A shift counts only if the two frames correlate better
        with it.
        """
        if image is not None and not (known := np.isfinite(image)).all():  # the margins of a registered movie
            cells, image = (cells > 0) | ~known, np.where(known, image, np.median(image[known]) if known.any() else 0)
        step = -(-max(cells.shape) // _LONGEST_SIDE)
        small = _bin(cells, step) if image is None else _flatten(_bin(image, step), _bin(cells, step) > 0)
        before, self._before = self._before, small
        if before is None or before.shape != small.shape or not (before.std() > 0 and small.std() > 0):
            return 0.0, 0.0
        y, x = _correlate(before, small)
        is_far = abs(y) > _FARTHEST * small.shape[0] or abs(x) > _FARTHEST * small.shape[1]
        if is_far or (y, x) == (0, 0):
            return 0.0, 0.0
        better, alike = (_BETTER, _ALIKE) if image is None else (0.0, _ALIKE_GREY)
        agreement = _agreement(before, small, (y, x))
        if agreement < max(alike, _agreement(before, small, (0.0, 0.0)) + better):
            return 0.0, 0.0
        return y * step, x * step


def _flatten(image: _Plane, cells: NDArray[np.bool_]) -> _Plane:
    """The structure of the background (Y, X), 0 at cells; of the whole image if they leave little of it."""
    background = ~ndimage.binary_dilation(cells, iterations=_HALO)
    if background.mean() < _LEAST:
        background[:] = True
    flat = np.where(background, image - ndimage.gaussian_filter(image, _COARSE), np.float32(0))
    flat /= max(float(flat[background].std()), 1e-9)
    return np.clip(flat, -_BRIGHTEST, _BRIGHTEST).astype(np.float32)


def _correlate(before: _Plane, after: _Plane) -> tuple[float, float]:
    from skimage.registration import phase_cross_correlation

    planes = [plane - plane.mean() for plane in (before, after)]
    shift = phase_cross_correlation(*planes, upsample_factor=_UPSAMPLING, normalization=None)[0]
    return -float(shift[0]), -float(shift[1])  # scikit-image returns what brings the second frame back


def _agreement(before: _Plane, after: _Plane, shift: tuple[float, float]) -> float:
    """Pearson's correlation of what two frames share if the second is moved back by a shift; 0 for a flat frame."""
    moved = ndimage.shift(after, (-shift[0], -shift[1]), order=1, mode="nearest")
    y, x = (int(np.ceil(abs(one))) for one in shift)
    inner = (slice(y, before.shape[0] - y), slice(x, before.shape[1] - x))
    first, second = before[inner].ravel(), moved[inner].ravel()
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _bin(frame: Pixels, step: int) -> _Plane:
    """The means of blocks of `step` x `step` pixels; a rest at the lower and right side is left out."""
    rows, columns = (max(1, length // step) for length in frame.shape)
    step = min(step, *frame.shape)
    part = frame[: rows * step, : columns * step].astype(np.float32)
    means: _Plane = part.reshape(rows, step, columns, step).mean(axis=(1, 3))
    return means
