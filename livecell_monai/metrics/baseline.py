"""A baseline without learning: Otsu's threshold on the distance from the background."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from livecell_monai.sample import Pixels

BACKGROUND = 50.0  # standard deviation in pixels, above the radius of a cell
SMOOTHING = 8.0  # standard deviation in pixels, above the width of the bright rim around a cell
DIAMETER = 44.0  # pixels, of the cells for which both widths were chosen


def segment_by_otsu(image: Pixels, diameter_px: float = DIAMETER) -> NDArray[np.bool_]:
    """The mask (Y, X) bool of what is brighter or darker than its surroundings, empty if the image is uniform.

    The image is (Y, X), finite; the diameter of a typical cell scales both filters, 0 if unknown.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9, 1979.
    """
    from skimage.filters import threshold_otsu

    factor = diameter_px / DIAMETER if diameter_px > 0 else 1.0
    values = np.asarray(image, dtype=np.float32)
    # the weights of a Gaussian beyond three sigmas are negligible
    background = gaussian_filter(values, BACKGROUND * factor, mode="nearest", truncate=3)
    distance = gaussian_filter(np.abs(values - background), SMOOTHING * factor, mode="nearest", truncate=3)
    if distance.min() == distance.max():
        return np.zeros(values.shape, bool)
    mask: NDArray[np.bool_] = distance > threshold_otsu(distance)
    return mask
