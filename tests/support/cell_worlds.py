"""Label images and smooth noise for tests of cells."""

import numpy as np
from scipy import ndimage


def discs(shape, *places):
    """A label image of discs (y, x, radius), the first in front."""
    label = np.zeros(shape, int)
    rows, columns = np.indices(shape)
    for number, (y, x, radius) in reversed(list(enumerate(places, start=1))):
        label[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number
    return label


def noise(shape, seed, sigma):
    """Smooth noise from 0 to 1."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return (smooth - smooth.min()) / np.ptp(smooth)


TOUCHING = discs((60, 90), (20, 20, 14), (24, 46, 13), (38, 32, 9), (40, 75, 6))  #: three that touch, and one alone


def distorted(seed, count=40, shape=(240, 260)):
    """A true label image, and a prediction of it with moved, merged, split, missed and invented cells."""
    draw = np.random.default_rng(seed)
    edges = [draw.integers(5, end, count) for end in (shape[0] - 5, shape[1] - 5, 16)]
    places = list(zip(*edges, strict=True))
    truth = discs(shape, *places)
    shifts = zip(draw.integers(-1, 3, count), draw.integers(-2, 2, count), draw.integers(-1, 2, count), strict=True)
    moved = [
        (y + down, x + right, max(3, radius + more))
        for (y, x, radius), (down, right, more) in zip(places, shifts, strict=True)
    ]
    predicted = discs(shape, *(place for number, place in enumerate(moved) if number % 6))
    ids = [number for number in np.unique(predicted) if number > 0]
    predicted[predicted == ids[1]] = ids[0]
    predicted[predicted == ids[5]] = ids[4]
    cell = predicted == ids[7]
    predicted[cell & (np.arange(shape[1])[None] > np.median(np.nonzero(cell)[1]))] = 999
    return truth, predicted


def boxes(*edges, shape=(40, 60)):
    """A label image of rectangles (top, left, bottom, right)."""
    label = np.zeros(shape, int)
    for number, (top, left, bottom, right) in enumerate(edges, start=1):
        label[top:bottom, left:right] = number
    return label
