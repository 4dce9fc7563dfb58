"""Where cells almost meet: a weight per pixel that makes a network mind the narrow gaps between neighbours."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_REACH = 4.0
"""Sums of distances beyond this many sigma weigh as plain background: what is cut off is weight * exp(-8) at most."""


def measure_border(label: NDArray[np.integer], weight: float = 10.0, sigma: float = 5.0) -> NDArray[np.float32]:
    """The weight of each pixel, high on background that two cells nearly enclose.

    Background pixels weigh 1 + weight * exp(-(d1 + d2)^2 / (2 sigma^2)), with d1 and d2 the distances in pixels to the
    nearest and the second nearest cell. Cells weigh 1, and so does background where d1 + d2 exceeds 4 sigma. Cells
    that touch leave no background between them, so their seam stays 1. The class weight of the paper is not included:
    it depends on the whole training set.

    Args:
        label: (Y, X) instance ids, 0 background.
        weight: what the narrowest gap adds, >= 0.
        sigma: width of the gaps that count, in pixels, > 0.

    Returns:
        (Y, X) float32 in [1, 1 + weight].

    Source:
        Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
        equation 2.
    """
    nearest = np.full(label.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    margin = int(np.ceil(_REACH * sigma))
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        if box is None:
            continue
        # A cell counts only where it is within the margin, so its own surroundings are enough.
        around = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
        distance = ndimage.distance_transform_edt(label[around] != number).astype(np.float32)
        first = nearest[around]
        second[around] = np.minimum(second[around], np.maximum(first, distance))
        nearest[around] = np.minimum(first, distance)
    both = nearest + second
    between = (label == 0) & (both <= _REACH * sigma)
    border = np.ones(label.shape, dtype=np.float32)
    border[between] += weight * np.exp(-(both[between] ** 2) / (2 * sigma**2))
    return border
