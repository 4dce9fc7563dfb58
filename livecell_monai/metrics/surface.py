"""Agreement of the outlines of a mask and of the truth, within a tolerance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from livecell_monai.metrics.counts import check_shapes

Mask = NDArray[np.bool_]


def measure_surface_dice(
    mask: NDArray[Any], truth: NDArray[Any], tolerance_px: float = 2.0, weight: NDArray[Any] | None = None
) -> float:
    """The normalised surface Dice in [0, 1]: the fraction of both outlines that lies within a tolerance of the other one.

    Mask, truth and weight are (Y, X), foreground > 0; outlines on pixels of weight 0 do not count. The score is 1 if neither
    has foreground, 0 if one of them has none. Raises a ValueError if the shapes differ.

    Source: Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy", Journal of
    Medical Internet Research 23, 2021; MONAI's `compute_surface_dice`, by edge pixels.
    """
    check_shapes(mask, truth, weight)
    predicted, true = (np.asarray(plane) > 0 for plane in (mask, truth))
    if weight is not None:
        return _compare_outlines(predicted, true, tolerance_px, np.asarray(weight) > 0)
    if not (predicted.any() and true.any()):
        return float(predicted.any() == true.any())
    import torch
    from monai.metrics import compute_surface_dice

    planes = [torch.from_numpy(plane)[None, None] for plane in (predicted, true)]
    return float(compute_surface_dice(*planes, class_thresholds=[tolerance_px], include_background=True)[0, 0])


def _compare_outlines(predicted: Mask, true: Mask, tolerance_px: float, is_labelled: Mask) -> float:
    """The score of labelled outline pixels; the nearest pixel of the other outline may be unlabelled."""
    outlines = [plane & ~binary_erosion(plane) for plane in (predicted, true)]
    right = total = 0
    for outline, other in (outlines, outlines[::-1]):
        counted = outline & is_labelled
        total += int(np.count_nonzero(counted))
        if other.any():
            right += int(np.count_nonzero(distance_transform_edt(~other)[counted] <= tolerance_px))
    if total:
        return right / total
    return float((predicted & is_labelled).any() == (true & is_labelled).any())
