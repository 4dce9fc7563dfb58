"""Numbers, positions and ellipses of annotation files, checked before anything is allocated for them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from livecell_monai.exchange.outlines import Integers, Ring
from livecell_monai.exchange.reasons import FormatError

MAX_COORDINATE = 1e9  #: pixels; no image is that large
MAX_CORNERS = 4096  #: of an ellipse
MAX_MASK_PIXELS = 2**27  #: of one object that is a mask


def read_number(value: Any, name: str) -> float:
    """A finite number of a field, from a number or its text; a FormatError names the field otherwise."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{name} must be a number, got {str(value)[:40]!r}") from error
    if not math.isfinite(number):
        raise FormatError(f"{name} is no finite number")
    if abs(number) > MAX_COORDINATE:
        raise FormatError(f"{name} must be at most {MAX_COORDINATE:,.0f} pixels, got {number:g}")
    return number


def read_size(height: Any, width: Any) -> tuple[int, int]:
    """The size (Y, X) of an image that a file states; a FormatError if it is not two whole numbers above 0."""
    numbers = read_number(height, "height"), read_number(width, "width")
    if any(number < 1 or number != int(number) for number in numbers):
        raise FormatError(f"height and width must be whole numbers above 0, got {numbers[0]:g} and {numbers[1]:g}")
    return int(numbers[0]), int(numbers[1])


def read_points(points: Any) -> Ring:
    """Positions (N, 2) x, y of a list of them; a FormatError if one is not two finite numbers."""
    try:
        found = np.array([(point[0], point[1]) for point in points], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise FormatError("a position must be two numbers") from error
    return check_points(found)


def check_points(points: Ring) -> Ring:
    """The positions (N, 2); a FormatError if one is not finite, or further away than any image is large."""
    if not np.isfinite(points).all():
        raise FormatError("a coordinate is no finite number")
    highest = float(np.abs(points).max(initial=0))
    if highest > MAX_COORDINATE:
        raise FormatError(f"a coordinate must be at most {MAX_COORDINATE:,.0f} pixels, got {highest:g}")
    return points


def trace_ellipse(middle: Sequence[float], radii: Sequence[float]) -> Ring:
    """The outline (N, 2) of an ellipse by its middle and its radii x, y: `MAX_CORNERS` corners at most."""
    check_points(np.array([middle, radii], np.float64))
    count = min(MAX_CORNERS, max(16, round(8 * max(radii))))
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([middle[0] + radii[0] * np.cos(angle), middle[1] + radii[1] * np.sin(angle)], axis=1)


def rotate(points: Ring, middle: Sequence[float], degrees: float) -> Ring:
    """The positions (N, 2) turned clockwise on the screen around a point x, y."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = points[:, 0] - middle[0], points[:, 1] - middle[1]
    return np.stack([middle[0] + x * cosine - y * sine, middle[1] + x * sine + y * cosine], axis=1)


def expand_runs(lengths: Integers, height: int, width: int) -> Integers:
    """The pixels, in their order along the runs, of lengths of background and object in turn in a mask (Y, X)."""
    total = height * width
    if (lengths < 0).any() or lengths.max(initial=0) > total or lengths.sum() > total:
        raise FormatError(f"run lengths of {int(lengths.sum(dtype=np.float64))} pixels in {height} x {width}")
    starts = (np.cumsum(lengths) - lengths)[1::2]
    lengths = lengths[1::2]
    if lengths.sum() > MAX_MASK_PIXELS:
        raise FormatError(f"a mask must have at most {MAX_MASK_PIXELS:,} pixels, got {lengths.sum():,}")
    pixels: Integers = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return pixels
