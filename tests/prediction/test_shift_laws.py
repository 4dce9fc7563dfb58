"""What a convolutional network says of an image that is shifted, padded, mirrored or looked at in windows."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import assume, given
from torch import nn
from torch.nn import functional

from livecell_monai.network import UNet, fuse_batch_norms
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.tasks import predict
from tests.support.small_training import QUIET
from tests.support.worlds import picture_of, some_cells

FP32 = Accelerator("cpu-fp32")
seeds = st.integers(0, 2**31)
#: how a network is built, and how often its batch norms are folded into its convolutions
builds = st.fixed_dictionaries(
    {
        "filters": st.sampled_from([(4, 6), (3, 5, 6)]),
        "convolutions": st.integers(1, 2),
        "down": st.sampled_from(["max", "strided"]),
        "residual": st.booleans(),
        "stem_stride": st.sampled_from([1, 2, 4]),
    }
)


def build(seed, folded=False, **settings):
    """A network in use, whose batch norms have seen something."""
    torch.manual_seed(seed)
    network = UNet(**settings)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.2)
            layer.running_var.uniform_(0.5, 1.5)
    return fuse_batch_norms(network.eval()) if folded else network.eval()


def reach(filters, convolutions, stem_stride, **_):
    """No less than how far a pixel is seen, in pixels: by each convolution, and by each halving and doubling."""
    levels = len(filters)
    pixels = 2 * sum((convolutions + 1) * 2**level for level in range(levels)) + 2**levels
    return stem_stride * (pixels + 1)


def noise(*size, seed=0):
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(seed))


class TestNetwork:
    @given(settings=builds, shift=st.tuples(st.integers(0, 3), st.integers(0, 3)), folded=st.booleans(), seed=seeds)
    def test_a_shift_by_its_multiples_shifts_what_it_says(self, settings, shift, folded, seed):
        network, rim = build(seed, folded, **settings), reach(**settings)
        rim = -(-rim // network.multiple) * network.multiple
        down, right = (step * network.multiple for step in shift)
        edge = 2 * rim + 4 * network.multiple
        scene = noise(edge + down, edge + right, seed=seed)
        with torch.no_grad():
            here, there = network(scene[..., :edge, :edge]), network(scene[..., down:, right:])
        inner = here[..., rim + down : edge - rim, rim + right : edge - rim]
        moved = there[..., rim : edge - rim - down, rim : edge - rim - right]
        torch.testing.assert_close(inner, moved, atol=1e-5, rtol=1e-5)

    @given(settings=builds, seed=seeds)
    def test_what_lies_beyond_its_reach_changes_nothing(self, settings, seed):
        """So the prediction of an image that is padded, by anything, is the same farther inside than that."""
        network = build(seed, **settings)
        rim = -(-reach(**settings) // network.multiple) * network.multiple
        image = noise(2 * rim + 16, 2 * rim + 16, seed=seed)
        other = image.clone()
        other[..., :4], other[..., -4:, :] = 9, -9
        with torch.no_grad():
            inner = [network(each)[..., rim + 4 : rim + 12, rim + 4 : rim + 12] for each in (image, other)]
        torch.testing.assert_close(*inner, atol=1e-5, rtol=1e-5)

    def test_a_shift_by_less_would_be_noticed(self):
        network, scene = build(0, filters=(4, 6)), noise(65, 65)
        with torch.no_grad():
            here, there = network(scene[..., :64, :64]), network(scene[..., 1:, 1:])
        assert (here[..., 20:40, 20:40] - there[..., 19:39, 19:39]).abs().max() > 5e-4


class TestWindows:
    @given(
        depth=st.integers(1, 3),
        size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
        window=st.tuples(st.integers(3, 6), st.integers(3, 6)),
        overlap=st.integers(0, 24),
        seed=seeds,
    )
    def test_away_from_their_borders_windows_say_what_the_whole_image_does(self, depth, size, window, overlap, seed):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(1, 1, 3, padding=1) for _ in range(depth)]
        network, image = nn.Sequential(*layers), noise(*size, seed=seed)
        inferer = WindowInferer(FP32, [8 * edge for edge in window], 8, overlap=overlap)
        with torch.no_grad():
            blended, whole = inferer(image, network)[0, 0], network(image)[0, 0]
        sure = torch.ones(size, dtype=torch.bool)
        for axis, (windows, edge) in enumerate(zip(inferer.windows.cover(size), size, strict=True)):
            lines = torch.ones(edge, dtype=torch.bool)
            lines[:depth] = lines[-depth:] = False  # a window may show more than the image, mirrored there
            for start in windows.starts:
                first, last = start - windows.before, start - windows.before + windows.size
                lines[max(0, first) : max(0, first + depth)] = False
                lines[max(0, last - depth) : last] = False
            sure &= lines[:, None] if axis == 0 else lines[None]
        torch.testing.assert_close(blended[sure], whole[sure], atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("views", [2, 8])
    @given(settings=builds, size=st.tuples(st.integers(1, 4), st.integers(1, 4)), seed=seeds)
    def test_mirrored_images_have_mirrored_predictions(self, views, settings, size, seed):
        network = build(seed, **settings)
        edges = [edge * network.multiple for edge in size]
        inferer, image = WindowInferer(FP32, [256, 256], network.multiple, tta_views=views), noise(*edges, seed=seed)
        changes = [lambda plane: plane.flip(3)]
        if views == 8:
            changes += [lambda plane: plane.flip(2), lambda plane: plane.mT, lambda plane: torch.rot90(plane, 1, (2, 3))]
        with torch.no_grad():
            for change in changes:
                torch.testing.assert_close(
                    inferer(change(image), network), change(inferer(image, network)), atol=1e-4, rtol=1e-4
                )

    @given(counts=st.tuples(st.integers(1, 3), st.integers(1, 3)), overlap=st.sampled_from([0, 8, 16]), seed=seeds)
    def test_so_it_is_over_several_windows_that_lie_evenly(self, counts, overlap, seed):
        kernel = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(seed))
        edges = [32 + (count - 1) * (32 - overlap) for count in counts]
        inferer, image = WindowInferer(FP32, [32, 32], 8, overlap=overlap, tta_views=8), noise(*edges, seed=seed)
        for axis in inferer.windows.cover(tuple(edges)):
            assume([axis.starts[-1] - start for start in axis.starts][::-1] == list(axis.starts))

        def network(part):
            return functional.conv2d(part, kernel, padding=1)

        for change in (lambda plane: plane.flip(2), lambda plane: plane.flip(3), lambda plane: plane.mT):
            torch.testing.assert_close(
                inferer(change(image), network), change(inferer(image, network)), atol=1e-5, rtol=1e-5
            )


class TestPredict:
    """The whole way, from file to file, by a trained bundle."""

    def probability(self, bundle, folder, image, **settings):
        folder.mkdir(parents=True)
        tifffile.imwrite(folder / "a.tif", np.ascontiguousarray(image))
        given = {**QUIET, "accelerator": "cpu-fp32", "outputs": ["mask", "probability"], "window": [512, 512], **settings}
        predict(bundle, [folder / "a.tif"], folder / "out", given)
        return tifffile.imread(folder / "out" / "a_probability.tif")

    @pytest.mark.parametrize("change", [np.flipud, np.fliplr, np.rot90, np.transpose], ids=lambda change: change.__name__)
    def test_a_mirrored_or_turned_image(self, trained, tmp_path, change):
        image = picture_of(some_cells((96, 96), seed=7), 7)
        straight = self.probability(trained[1], tmp_path / "straight", image, tta_views=8)
        changed = self.probability(trained[1], tmp_path / "changed", change(image), tta_views=8)
        assert straight.max() > 0.9
        assert np.abs(changed - straight).max() > 0.5
        np.testing.assert_allclose(changed, change(straight), atol=1e-4)

    def test_a_shifted_image(self, trained, tmp_path):
        """The grey values stay as they are, so that no scale hangs on what comes in: the image is rolled."""
        image = picture_of(some_cells((96, 256), seed=8), 8)
        here = self.probability(trained[1], tmp_path / "here", image)
        there = self.probability(trained[1], tmp_path / "there", np.roll(image, 16, axis=1))
        rim = 40
        np.testing.assert_allclose(there[:, rim + 16 : -rim], here[:, rim : -rim - 16], atol=1e-4)
        assert np.abs(there - here)[:, rim:-rim].max() > 0.5
