"""Windows of half the area."""

import pytest

from livecell_monai.prediction.out_of_memory import halve_window


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
