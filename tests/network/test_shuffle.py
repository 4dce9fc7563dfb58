"""The faster pixel shuffle moves every pixel and every gradient as torch's own does."""

import pytest
import torch
from torch import nn

from livecell_monai.network.shuffle import Shuffle, _Shuffled

CASES = [(2, torch.float32), (2, torch.bfloat16), (4, torch.bfloat16), (4, torch.float32), (2, torch.float64)]


@pytest.mark.parametrize(("stride", "dtype"), CASES)
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_it_shuffles_as_torch_does(stride, dtype, channels, layout):
    planes = torch.randn(2, channels * stride**2, 6, 3).to(dtype).contiguous(memory_format=layout)
    gradient = torch.randn(2, channels, 6 * stride, 3 * stride).to(dtype)
    found = []
    for shuffle in (Shuffle(stride), nn.PixelShuffle(stride)):
        inputs = planes.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        shuffled = shuffle(inputs)
        shuffled.backward(gradient)
        found.append((shuffled.detach(), inputs.grad))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


@pytest.mark.parametrize(("dtype", "is_faster"), [(torch.bfloat16, True), (torch.float64, False)])
def test_only_a_training_takes_the_faster_way(dtype, is_faster):
    """Exports trace the network in evaluation mode, and have torch's own operation in their graph."""
    planes = torch.randn(1, 8, 4, 4, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    name = _Shuffled.__name__
    assert (name in type(Shuffle(2)(planes).grad_fn).__name__) == is_faster
    assert name not in type(Shuffle(2).eval()(planes).grad_fn).__name__
