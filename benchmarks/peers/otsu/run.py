"""What needs no training: distance from the background, thresholded after Otsu.

Phase contrast shows cells brighter and darker than the background, so what is thresholded is the distance from it,
smoothed. Both widths were chosen once, on training images of phase contrast with cells of 40 to 70 pixels.
Run: `run.py DATA RESULTS --minutes M`.

Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
Cybernetics 9, 1979.
"""

from collections.abc import Sequence

import numpy as np
from skimage.filters import gaussian, threshold_otsu

from peers.interface import Annotated, Clock, Pixels, Segment, serve

BACKGROUND = 50.0  # standard deviation in pixels, above the radius of a cell
SMOOTHING = 8.0  # standard deviation in pixels, above the width of the bright rim around a cell


def segment(image: Pixels) -> Pixels:
    """Mask (Y, X) of what differs from its surroundings."""
    values = image.astype(np.float32)
    distance = gaussian(np.abs(values - gaussian(values, BACKGROUND)), SMOOTHING)
    mask: Pixels = distance > threshold_otsu(distance)
    return mask


def prepare(pairs: Sequence[Annotated], clock: Clock) -> Segment:
    """Nothing is learnt."""
    return segment


if __name__ == "__main__":
    serve(prepare)
