"""What needs no learning: distance from the background, thresholded. It shows what a network has brought beyond that."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from livecell_monai.sample import Pixels

BACKGROUND = 50.0  # standard deviation in pixels, above the radius of a cell
SMOOTHING = 8.0  # standard deviation in pixels, above the width of the bright rim around a cell
DIAMETER = 44.0  # pixels, of the cells that both widths were chosen for


def segment_by_otsu(image: Pixels, diameter_px: float = DIAMETER) -> NDArray[np.bool_]:
    """What differs from its surroundings, be it brighter or darker.

    Args:
        image: (Y, X) of any real dtype, finite.
        diameter_px: of a typical cell; the widths of both filters grow with it. 0 for one that is not known.

    Returns:
        Mask (Y, X) bool; empty where every pixel is like its surroundings.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9, 1979.
    """
    from skimage.filters import threshold_otsu

    factor = diameter_px / DIAMETER if diameter_px > 0 else 1.0
    values = np.asarray(image, dtype=np.float32)
    # beyond three sigmas a Gaussian has no weight to speak of
    background = gaussian_filter(values, BACKGROUND * factor, mode="nearest", truncate=3)
    distance = gaussian_filter(np.abs(values - background), SMOOTHING * factor, mode="nearest", truncate=3)
    if distance.min() == distance.max():
        return np.zeros(values.shape, bool)
    mask: NDArray[np.bool_] = distance > threshold_otsu(distance)
    return mask
