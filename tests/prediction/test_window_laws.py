"""Windows of any image, size, overlap and multiple: every pixel is covered, and what they say is weighed to one."""

import hypothesis.strategies as st
import torch
from hypothesis import given

from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.prediction.windows import WindowPlan

FP32 = Accelerator("cpu-fp32")
multiples = st.sampled_from([1, 2, 4, 8, 16])
#: shape of an image, greatest window in multiples, overlap, multiple
plans = st.tuples(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.integers(0, 60),
    multiples,
)


def open_plan(plan):
    shape, times, overlap, multiple = plan
    largest = (max(8, times[0] * multiple), max(8, times[1] * multiple))  # a multiple of 8 is one of 1, 2 and 4 too
    return shape, largest, overlap, multiple


def shown(axes, shape):
    """How many windows show each pixel of the image."""
    rows, columns = axes
    count = torch.zeros(rows.starts[-1] + rows.size, columns.starts[-1] + columns.size)
    for top in rows.starts:
        for left in columns.starts:
            count[top : top + rows.size, left : left + columns.size] += 1
    return count[rows.before : rows.before + shape[0], columns.before : columns.before + shape[1]]


@given(plan=plans)
def test_windows_cover_every_pixel_and_are_what_the_network_takes(plan):
    shape, largest, overlap, multiple = open_plan(plan)
    axes = WindowPlan(largest, overlap, multiple).cover(shape)
    counted = shown(axes, shape)
    assert counted.shape == shape
    assert counted.min() >= 1
    for axis, edge, most in zip(axes, shape, largest, strict=True):
        assert axis.size % multiple == 0
        assert 0 < axis.size <= most
        assert axis.starts[0] == 0
        steps = [later - first for first, later in zip(axis.starts, axis.starts[1:], strict=False)]
        assert all(0 < step <= steps[0] for step in steps)
        if len(axis.starts) > 1:  # none reaches beyond the image, and neighbours share what was asked for
            assert axis.starts[-1] + axis.size == edge
            assert max(steps) <= axis.size - min(overlap, axis.size // 2)
        else:
            assert axis.before + edge <= axis.size < edge + multiple or axis.size == edge


@given(plan=plans)
def test_windows_by_area_cover_every_pixel_and_have_no_more_pixels(plan):
    shape, largest, overlap, multiple = open_plan(plan)
    rows, columns = WindowPlan(largest, overlap, multiple, by_area=True).cover(shape)
    counted = shown((rows, columns), shape)
    assert counted.shape == shape
    assert counted.min() >= 1
    assert rows.size % multiple == columns.size % multiple == 0
    assert rows.size * columns.size <= largest[0] * largest[1]
    for axis in (rows, columns):
        steps = [later - first for first, later in zip(axis.starts, axis.starts[1:], strict=False)]
        assert all(0 < step <= axis.size - min(overlap, axis.size // 2) for step in steps)


@given(plan=plans, value=st.floats(-50, 50, width=32))
def test_a_constant_network_gives_a_constant_image(plan, value):
    shape, largest, overlap, multiple = open_plan(plan)
    inferer = WindowInferer(FP32, largest, multiple, overlap=overlap)
    logits = inferer(torch.zeros(1, 1, *shape), lambda part: torch.full_like(part, value))
    assert logits.shape == (1, 1, *shape)
    torch.testing.assert_close(logits, torch.full_like(logits, value), atol=1e-6, rtol=1e-6)


@given(plan=plans, seed=st.integers(0, 2**31))
def test_what_windows_say_is_a_mean_with_weights_that_sum_to_one(plan, seed):
    """Each window says a number of its own: a pixel gets one between those of the windows that show it."""
    shape, largest, overlap, multiple = open_plan(plan)
    inferer = WindowInferer(FP32, largest, multiple, batch=1, overlap=overlap)
    rows, columns = inferer.windows.cover(shape)
    said = torch.randn(len(rows.starts), len(columns.starts), generator=torch.Generator().manual_seed(seed))
    numbers = iter(said.flatten().tolist())
    logits = inferer(torch.zeros(1, 1, *shape), lambda part: torch.full_like(part, next(numbers)))[0, 0]
    assert next(numbers, None) is None
    extent = (rows.starts[-1] + rows.size, columns.starts[-1] + columns.size)
    least, most = torch.full(extent, torch.inf), torch.full(extent, -torch.inf)
    for row, top in enumerate(rows.starts):
        for column, left in enumerate(columns.starts):
            place = (slice(top, top + rows.size), slice(left, left + columns.size))
            least[place].clamp_(max=float(said[row, column]))
            most[place].clamp_(min=float(said[row, column]))
    image = (slice(rows.before, rows.before + shape[0]), slice(columns.before, columns.before + shape[1]))
    assert (logits >= least[image] - 1e-5).all()
    assert (logits <= most[image] + 1e-5).all()
    alone = shown((rows, columns), shape) == 1
    torch.testing.assert_close(logits[alone], least[image][alone], atol=1e-6, rtol=1e-6)
