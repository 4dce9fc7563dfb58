"""Random planes that cost a few milliseconds: smooth noise, scattered points, and draws from a range."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Plane = NDArray[np.float32]

_COARSE = 2.5  # px of grain from which the nodes of the noise are few enough to be blurred


def log_uniform(low_high: tuple[float, float], rng: np.random.Generator) -> float:
    """A number of the range, uniform in its logarithm."""
    return float(np.exp(rng.uniform(*np.log(low_high))))


def is_chosen(probability: float, rng: np.random.Generator) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def window_around(shape: tuple[int, ...], y: float, x: float, half: float) -> tuple[slice, slice]:
    """The part of a plane within `half` px of a point on each axis, which may be empty."""
    spans = [
        (max(0, int(middle - half)), min(side, int(middle + half) + 1)) for middle, side in zip((y, x), shape, strict=True)
    ]
    rows, columns = (slice(start, max(start, stop)) for start, stop in spans)
    return rows, columns


def resize(plane: Plane, shape: tuple[int, int]) -> Plane:
    """A plane (Y, X) resized bicubically; averaged where it shrinks."""
    return np.array(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BICUBIC), dtype=np.float32)


def smooth_noise(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Plane:
    """Noise (Y, X) of mean about 0 and deviation about 1 with features of about `grain` px, the sigma of a Gaussian."""
    step = max(1.0, 1.3 * grain if grain >= _COARSE else 2 * grain if grain >= 1 else 1.0)
    nodes = (int(shape[0] / step) + 4, int(shape[1] / step) + 4)
    rough = rng.standard_normal(nodes, dtype=np.float32)
    if 0.2 < grain < 1 or grain >= _COARSE:  # between, the interpolation alone is smooth enough
        rough = blur(rough, min(grain, 0.8))
    wide = resize(rough, (round(nodes[0] * step), round(nodes[1] * step))) if step > 1 else rough
    top, left = (int(rng.integers(0, large - side + 1)) for large, side in zip(wide.shape, shape, strict=True))
    plane = wide[top : top + shape[0], left : left + shape[1]]
    return np.asarray(plane / max(float(plane.std()), 1e-6), dtype=np.float32)


def blur(plane: Plane, sigma: float) -> Plane:
    """A plane blurred by a Gaussian; a wide one on a coarser grid, which is nearly the same."""
    factor = int(sigma // 2)
    if factor < 2:
        return np.asarray(ndimage.gaussian_filter(plane, sigma, truncate=3.0, mode="reflect"), dtype=np.float32)
    small = (max(4, plane.shape[0] // factor), max(4, plane.shape[1] // factor))
    coarse = ndimage.gaussian_filter(resize(plane, small), sigma / factor, truncate=3.0)
    return resize(np.asarray(coarse, dtype=np.float32), (plane.shape[0], plane.shape[1]))


def scatter(shape: tuple[int, ...], rows: NDArray[np.intp], columns: NDArray[np.intp], values: NDArray[np.float64]) -> Plane:
    """A plane (Y, X) with values added at points; points outside are dropped."""
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    places = rows[inside] * shape[1] + columns[inside]
    return np.bincount(places, values[inside], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float32)
