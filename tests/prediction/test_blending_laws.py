"""Blending by strips is that of the image in memory for every image, window, overlap and band of rows."""

import hypothesis.strategies as st
import torch
from hypothesis import given

from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import WindowInferer
from tests.prediction.test_blending import blend, two_channels

FP32 = Accelerator("cpu-fp32")


@given(
    shape=st.tuples(st.integers(1, 160), st.integers(1, 160)),
    largest=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    overlap=st.integers(0, 40),
    band=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 2**31),
)
def test_a_band_is_that_of_the_whole_image_to_the_bit_and_each_pixel_comes_once(shape, largest, overlap, band, seed):
    image = torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
    inferer = WindowInferer(FP32, [8 * largest[0], 8 * largest[1]], 8, batch=1, overlap=overlap)
    top, bottom = sorted(round(share * shape[0]) for share in band)
    bottom = max(bottom, top + 1)
    top = min(top, shape[0] - 1)
    bottom = min(bottom, shape[0])
    logits, times = blend(image, inferer, (top, bottom))
    assert (times[top:bottom] == 1).all()
    assert times.sum() == (bottom - top) * shape[1]
    assert torch.equal(logits[:, top:bottom], inferer(image[None, None], two_channels)[0][:, top:bottom])
