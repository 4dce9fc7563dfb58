"""Positions of windows: even overlaps, and no more windows than necessary."""

import pytest
import torch

from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.prediction.windows import WindowPlan, auto_window, halve_window

CASES = [
    ((97, 113), (32, 64), 8, 8),
    ((49, 200), (32, 64), 16, 8),
    ((31, 200), (32, 64), 10, 8),
    ((5, 400), (32, 64), 0, 8),
    ((64, 64), (64, 64), 16, 8),
    ((20, 30), (64, 64), 16, 8),
    ((300, 300), (64, 64), 100, 32),
]


@pytest.mark.parametrize("by_area", [False, True])
@pytest.mark.parametrize(("shape", "largest", "overlap", "multiple"), CASES)
def test_the_plan_is_where_the_inferer_looks(shape, largest, overlap, multiple, by_area):
    """Each pixel bears its own number, so that a window tells where it was cut."""
    corners = []

    def network(part):
        corners.append((int(part[0, 0, -1, -1]) // shape[1] + 1, int(part[0, 0, -1, -1]) % shape[1] + 1, *part.shape[2:]))
        return part.clone()

    image = torch.arange(float(shape[0] * shape[1])).reshape(1, 1, *shape)
    window = "auto" if by_area else list(largest)
    # a byte a pixel, and as many pixels as the window has that is asked for otherwise
    memory = {"memory_mb": largest[0] * largest[1] / 2**20, "bytes_per_pixel": 1}
    inferer = WindowInferer(Accelerator("cpu-fp32"), window, multiple, batch=1, overlap=overlap, **memory)
    inferer(image, network)
    rows, columns = inferer.windows.cover(shape)
    ends = [
        [min(edge, start - axis.before + axis.size) for start in axis.starts]
        for edge, axis in zip(shape, (rows, columns), strict=True)
    ]
    assert corners == [(bottom, right, rows.size, columns.size) for bottom in ends[0] for right in ends[1]]


@pytest.mark.parametrize("edge", [4097, 20000, 33333, 40000])
@pytest.mark.parametrize("largest", [1312, 1024, 480])
def test_neighbours_share_little_more_than_asked(edge, largest):
    rows, _ = WindowPlan((largest, largest), 32, 32).cover((edge, edge))
    shared = [first + rows.size - second for first, second in zip(rows.starts, rows.starts[1:], strict=False)]
    assert rows.starts[-1] + rows.size == edge
    assert min(shared) >= 32
    assert max(shared) < 32 + 2 * 32 + len(rows.starts)


@pytest.mark.parametrize("edge", [1200, 3000, 10000, 20000, 40000])
def test_by_area_the_windows_have_fewer_pixels_in_all(edge):
    def looked_at(by_area):
        rows, columns = WindowPlan((1056, 1056), 32, 32, by_area).cover((edge, edge))
        assert rows.size * columns.size <= 1056**2
        assert min(rows.size, columns.size) >= 1056 // 2
        return len(rows.starts) * rows.size * len(columns.starts) * columns.size

    assert edge**2 < looked_at(True) <= min(looked_at(False), 1.1 * edge**2)


def test_a_square_of_so_many_pixels():
    assert auto_window(1e6, 32) == (992, 992)
    assert auto_window(1, 32) == (32, 32)


@pytest.mark.parametrize(
    ("window", "multiple", "smaller"),
    [
        ((2048, 2048), 32, (1024, 2048)),
        ((1024, 2048), 32, (1024, 1024)),
        ((224, 96), 32, (96, 96)),  # a half is rounded down to a multiple
        ((96, 96), 32, (64, 96)),  # and no less than 64
        ((64, 96), 32, (64, 64)),
        ((64, 64), 32, None),
        ((32, 64), 32, None),
        ((32, 32), 4, None),
        ((256, 256), 48, (96, 256)),
        ((96, 96), 96, None),
        ((192, 96), 96, (96, 96)),
    ],
)
def test_half_the_area_and_never_too_small(window, multiple, smaller):
    assert halve_window(window, multiple) == smaller


def test_every_window_comes_to_an_end():
    for multiple in (1, 8, 32, 80):
        window, steps = (4000 // multiple * multiple, 3000 // multiple * multiple), 0
        while (smaller := halve_window(window, multiple)) is not None:
            assert smaller[0] * smaller[1] < window[0] * window[1]
            window, steps = smaller, steps + 1
        assert steps < 16
        assert all(edge % multiple == 0 for edge in window)
