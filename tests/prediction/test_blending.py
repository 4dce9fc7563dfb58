"""Windows blended by strips: the sums of MONAI's sliding window, without the image in memory."""

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference

from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.blending import Blender, Context
from livecell_monai.prediction.window_inferer import WindowInferer

SHAPES = [(301, 277), (49, 200), (200, 49), (20, 400), (400, 20), (30, 30)]


def noisy(part):
    """A network that answers by where it looks: the same place in two windows gets two answers."""
    rows = torch.linspace(-3, 3, part.shape[2])[:, None]
    return part * 5 + rows + torch.sin(torch.arange(part.shape[3]) / 3.0)


def two_channels(part):
    return torch.cat([noisy(part), noisy(-part)], dim=1)


def slide(image, inferer):
    """MONAI's sliding window over the same windows, (2, Y, X)."""
    rows, columns = inferer.windows.cover(image.shape)
    if len(rows.starts) == len(columns.starts) == 1:
        return inferer(image[None, None], two_channels)[0]
    intervals = [axis.starts[1] if len(axis.starts) > 1 else axis.size for axis in (rows, columns)]
    overlap = tuple(
        max(0.0, axis.size - interval - 0.01) / axis.size for axis, interval in zip((rows, columns), intervals, strict=True)
    )
    options = {"overlap": overlap, "mode": "gaussian", "padding_mode": "replicate"}
    return sliding_window_inference(image[None, None], (rows.size, columns.size), 1, two_channels, **options)[0]


def blend(image, inferer, band):
    """Rows of the blended logits of two channels, NaN where none came, and how often each pixel did."""
    rows, columns = inferer.windows.cover(image.shape)
    blender = Blender(rows, columns, image.shape, band)
    logits, times = torch.full((2, *image.shape), torch.nan), torch.zeros(image.shape)
    padding = (columns.before, columns.size, rows.before, rows.size)
    padded = torch.nn.functional.pad(image[None, None], padding, mode="replicate")[0, 0]
    for row, column in blender.windows():
        top, left = rows.starts[row], columns.starts[column]
        window = padded[None, None, top : top + rows.size, left : left + columns.size]
        block = blender.add(row, column, two_channels(window)[0])
        if block is not None:
            top, left, part = block
            logits[:, top : top + part.shape[1], left : left + part.shape[2]] = part
            times[top : top + part.shape[1], left : left + part.shape[2]] += 1
    return logits, times


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("overlap", [0, 3, 10, 32])
def test_is_monais_sliding_window_to_the_bit(shape, overlap):
    image = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 48], 8, batch=1, overlap=overlap)
    logits, times = blend(image, inferer, (0, shape[0]))
    assert (times == 1).all()
    assert torch.equal(logits, slide(image, inferer))
    assert torch.equal(logits, inferer(image[None, None], two_channels)[0])


@pytest.mark.parametrize("band", [(0, 50), (50, 51), (123, 240), (290, 301)], ids=str)
def test_rows_by_themselves_are_those_of_the_whole(band):
    image = torch.rand(301, 277, generator=torch.Generator().manual_seed(0))
    inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 48], 8, batch=1, overlap=10)
    logits, times = blend(image, inferer, band)
    assert times.sum() == (band[1] - band[0]) * 277
    assert torch.equal(logits[:, band[0] : band[1]], blend(image, inferer, (0, 301))[0][:, band[0] : band[1]])


def test_no_more_is_kept_than_strips():
    image = torch.rand(400, 400)
    inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 64], 8, batch=1, overlap=10)
    rows, columns = inferer.windows.cover((400, 400))
    blender = Blender(rows, columns, (400, 400), (0, 400))
    for row, column in blender.windows():
        blender.add(row, column, image[None, : rows.size, : columns.size].clone())
        kept = blender.above.numel() + blender.below.numel() + blender.left.numel()
        assert kept <= 2 * (2 * 24 * 400 + 24 * 64)  # an overlap is at most 24 here


def test_a_seam_would_show():
    """The mean step from row to row: where windows only meet it is 60 times that inside of them, blended it is nowhere."""
    image, steps = torch.zeros(448, 448), {}
    for overlap in (0, 32):
        inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 64], 8, batch=1, overlap=overlap)
        rows, _ = inferer.windows.cover(image.shape)
        mean = blend(image, inferer, (0, 448))[0][0].numpy().mean(axis=1)
        jumps = np.abs(np.diff(mean))
        if overlap == 0:
            borders = [start - 1 for start in rows.starts[1:]]
            assert jumps[borders].min() > 10 * np.delete(jumps, borders).max()
        steps[overlap] = jumps.max()
    assert steps[32] < 0.1 * steps[0]


def test_context_is_the_row_above_and_the_column_before():
    whole = torch.arange(60.0).reshape(2, 5, 6)
    context = Context(6)
    for top, bottom in ((0, 2), (2, 3), (3, 5)):
        for left, right in ((0, 1), (1, 4), (4, 6)):
            above, before, part = context.extend(top, left, whole[:, top:bottom, left:right])
            assert (above, before) == (max(0, top - 1), max(0, left - 1))
            assert torch.equal(part, whole[:, above:bottom, before:right])
