"""Numbers, positions and ellipses that files state."""

import numpy as np
import pytest

from livecell_monai.exchange.reasons import FormatError
from livecell_monai.exchange.shapes import (
    MAX_CORNERS,
    expand_runs,
    read_number,
    read_points,
    read_size,
    rotate,
    trace_ellipse,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [("abc", "rx must be a number, got 'abc'"), ("nan", "rx is no finite number"), (1e12, "at most 1,000,000,000 pixels")],
)
def test_numbers(value, text):
    assert read_number("2.5", "rx") == 2.5
    with pytest.raises(FormatError, match=text):
        read_number(value, "rx")


def test_sizes():
    assert read_size("40", 50) == (40, 50)
    for wrong in ("abc", 0, 4.5, None):
        with pytest.raises(FormatError, match="height"):
            read_size(wrong, 50)


@pytest.mark.parametrize("points", [[[1]], [["a", 2]], 3, [[1, float("nan")]], [[1, 1e12]]])
def test_positions(points):
    assert read_points([[1, 2, 3], [4, 5]]).tolist() == [[1, 2], [4, 5]]
    with pytest.raises(FormatError, match=r"a position must be two numbers|a coordinate"):
        read_points(points)


def test_a_huge_ellipse_has_few_corners():
    assert trace_ellipse((0, 0), (1e8, 5)).shape == (MAX_CORNERS, 2)
    assert len(trace_ellipse((0, 0), (0.1, 0.1))) == 16


def test_rotation_is_clockwise_on_the_screen():
    np.testing.assert_allclose(rotate(np.array([(3.0, 1.0)]), (1, 1), 90), [(1, 3)], atol=1e-12)


def test_runs_are_checked_before_they_are_expanded():
    assert expand_runs(np.array([1, 2, 1, 1]), 2, 3).tolist() == [1, 2, 4]
    for lengths in ([0, 2**62, 0, 2**62], [0, -1], [7]):
        with pytest.raises(FormatError, match="pixels in 2 x 3"):
            expand_runs(np.array(lengths), 2, 3)
    with pytest.raises(FormatError, match="a mask must have at most 134,217,728 pixels"):
        expand_runs(np.array([0, 10**12]), 10**6, 10**6)
