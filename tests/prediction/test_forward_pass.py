"""Windows where the memory is short."""

import logging
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from livecell_monai.errors import TooLargeError
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import WindowInferer

FP32 = Accelerator("cpu-fp32")


@pytest.fixture
def local():
    """A network whose every output pixel hangs on the one input pixel."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 1), nn.Tanh(), nn.Conv2d(3, 1, 1)).eval()


class Cramped(nn.Module):
    """A network that asks for more memory than there is for more than so many pixels at once."""

    def __init__(self, inner, most, error=None):
        super().__init__()
        self.inner, self.most = inner, most
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.refused, self.held = [], None

    def forward(self, part):
        assert self.held is None or self.held() is None  # what the last attempt held is gone
        pixels = part.numel()
        if pixels > self.most:
            activations = part * 2
            self.held = weakref.ref(activations)
            self.refused.append(tuple(part.shape))
            raise type(self.error)(*self.error.args)
        return self.inner(part)


class TestOutOfMemory:
    @pytest.mark.parametrize("shortage", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()], ids=repr)
    def test_the_logits_are_those_of_the_windows_that_fit(self, shortage):
        network, image = UNet([4, 8]).eval(), torch.rand(1, 1, 300, 420)
        cramped, inferer = Cramped(network, 128 * 128, shortage), WindowInferer(FP32, [256, 256], 4, batch=1)
        with torch.no_grad():
            found = inferer(image, cramped)
            assert len(cramped.refused) == 2
            assert inferer.forward.largest[0] * inferer.forward.largest[1] <= 128 * 128
            smaller, plain = (WindowInferer(FP32, size, 4, batch=1) for size in (inferer.forward.largest, [256, 256]))
            rows, columns = plain.windows.cover((300, 420))
            window = image[..., : rows.size, : columns.size]
            first = found[..., : rows.starts[1], : columns.starts[1]]  # of one window alone
            part = smaller(window, network)[..., : rows.starts[1], : columns.starts[1]]
            torch.testing.assert_close(first, part, rtol=0, atol=1e-6)  # weighed once more, which rounds
            assert (found - plain(image, network)).abs().max() > 1e-4

    def test_a_window_by_area_is_told_by_its_own_edges(self, local, caplog):
        inferer = WindowInferer(FP32, "auto", 8, memory_mb=1, bytes_per_pixel=64, batch=1)
        with torch.no_grad(), caplog.at_level(logging.WARNING):
            image = torch.rand(1, 1, 88, 184)
            torch.testing.assert_close(inferer(image, Cramped(local, 88 * 96)), local(image), atol=1e-5, rtol=1e-5)
        (message,) = (record.getMessage() for record in caplog.records)
        assert message.startswith("out of memory with windows of 88 x 184, 1 at once: continuing with 8")

    def test_what_has_worked_is_kept_and_said_once(self, local, caplog):
        inferer, cramped = WindowInferer(FP32, [256, 256], 8, batch=1, overlap=0), Cramped(local, 128 * 128)
        with torch.no_grad(), caplog.at_level(logging.WARNING):
            for _ in range(3):
                image = torch.rand(1, 1, 256, 256)
                torch.testing.assert_close(inferer(image, cramped), local(image), atol=1e-5, rtol=1e-5)
        assert cramped.refused == [(1, 1, 256, 256), (1, 1, 128, 256)]
        assert [record.getMessage() for record in caplog.records] == [
            "out of memory with windows of 256 x 256, 1 at once: continuing with 128 x 128, 1 at once"
        ]

    def test_fewer_at_once_come_before_smaller_ones(self, local):
        inferer, cramped = WindowInferer(FP32, [64, 64], 8, batch=8), Cramped(local, 2 * 64 * 64)
        with torch.no_grad():
            image = torch.rand(1, 1, 200, 200)
            torch.testing.assert_close(inferer(image, cramped), local(image), atol=1e-5, rtol=1e-5)
        assert [shape[0] for shape in cramped.refused] == [8, 4]
        assert inferer.forward.largest == (64, 64)

    def test_a_batch_of_single_windows_is_parted_too(self, local):
        """Windows of a mosaic come as a batch of images of one window each."""
        inferer, cramped = WindowInferer(FP32, [64, 64], 8, batch=4), Cramped(local, 64 * 64)
        with torch.no_grad():
            images = torch.rand(4, 1, 64, 64)
            torch.testing.assert_close(inferer.forward(images, cramped), local(images))
        assert [shape[0] for shape in cramped.refused] == [4, 2]

    def test_the_plan_stays_as_it_was_asked_for(self, local):
        """A mosaic that is gone on with must be of the windows that it was begun with."""
        inferer = WindowInferer(FP32, [256, 256], 8)
        before = inferer.windows.cover((1000, 1000))
        with torch.no_grad():
            inferer(torch.rand(1, 1, 256, 256), Cramped(local, 64 * 64))
        assert inferer.forward.largest == (64, 64)
        assert inferer.windows.cover((1000, 1000)) == before

    def test_where_the_least_does_not_fit_it_is_one_line_and_the_next_image_starts_anew(self, local):
        inferer = WindowInferer(FP32, [256, 256], 8, batch=2)
        image = MetaTensor(torch.rand(1, 1, 300, 420), meta={"filename_or_obj": "cells/large.png"})
        with torch.no_grad():
            with pytest.raises(
                TooLargeError, match=r"^cells/large.png: 300 x 420 pixels .* windows of 64 x 64, .* in parts$"
            ):
                inferer(image, Cramped(local, 1))
            assert (inferer.forward.largest, inferer.forward.batch) == ((256, 256), 2)
            torch.testing.assert_close(inferer(image.as_tensor(), local), local(image.as_tensor()), atol=1e-5, rtol=1e-5)

    def test_other_errors_are_no_reason_to_try_again(self, local):
        cramped = Cramped(local, 1, RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x3 and 4x4)"))
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            WindowInferer(FP32, [64, 64], 8)(torch.rand(1, 1, 64, 64), cramped)
        assert len(cramped.refused) == 1

    def test_threads_that_meet_a_shortage_do_not_mix_their_windows(self, local):
        """A mosaic's windows may be looked at by several threads at once."""
        inferer, cramped = WindowInferer(FP32, [256, 256], 8, batch=1), Cramped(local, 64 * 64)
        cramped.held, images = None, [torch.rand(1, 1, 256, 256) for _ in range(8)]

        def look(image):
            with torch.no_grad():
                return inferer(image, lambda part: cramped(part) if part.numel() <= cramped.most else refuse())

        def refuse():
            raise MemoryError

        with ThreadPoolExecutor(max_workers=4) as threads:
            for image, found in zip(images, threads.map(look, images), strict=True):
                torch.testing.assert_close(found, local(image), atol=1e-5, rtol=1e-5)
