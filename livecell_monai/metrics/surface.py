"""How well the outlines of a mask follow those of the truth, where annotators do not agree on the last pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def measure_surface_dice(
    mask: NDArray[Any], truth: NDArray[Any], tolerance_px: float = 2.0, weight: NDArray[Any] | None = None
) -> float:
    """The normalised surface Dice: the share of both outlines that lies within a tolerance of the other one.

    Args:
        mask: (Y, X) predicted foreground, `> 0`.
        truth: (Y, X) annotated foreground, `> 0`.
        tolerance_px: distance in pixels up to which an outline counts as right, 0 or more.
        weight: (Y, X) of each pixel; those of weight 0 are unlabelled: neither outline enters them. None where all count.

    Returns:
        In [0, 1]; 1 where neither has foreground, 0 where one of them has none, as for the other scores.

    Raises:
        ValueError: where the shapes differ.

    Source: Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy", Journal of
    Medical Internet Research 23, 2021; MONAI's `compute_surface_dice`, by edge pixels.
    """
    import torch
    from monai.metrics import compute_surface_dice

    if mask.shape != truth.shape:
        raise ValueError(f"mask and truth must have one shape, got {mask.shape} and {truth.shape}")
    labelled = True if weight is None else np.asarray(weight) > 0
    said, true = ((np.asarray(plane) > 0) & labelled for plane in (mask, truth))
    if not (said.any() and true.any()):
        return float(said.any() == true.any())
    planes = [torch.from_numpy(plane)[None, None] for plane in (said, true)]
    return float(compute_surface_dice(*planes, class_thresholds=[tolerance_px], include_background=True)[0, 0])
