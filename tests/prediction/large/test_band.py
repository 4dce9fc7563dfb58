"""A mosaic's mask, part by part, is that of the image in memory."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.large import BandPredictor, IntensityRange
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.transforms import NormaliseContrast, ResizeToWorkingd, RestoreGridd
from livecell_monai.transforms.scale import working_shape
from tests.support.array_stack import ArrayStack
from tests.support.worlds import picture_of, some_cells

SHAPES = [(301, 277), (120, 60), (33, 500), (500, 20), (50, 70)]
FACTORS = (1.0, 0.5, 0.37, 1.6, [200, 333])
TIE = 1e-5


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = UNet([4, 8, 8], stem_stride=2).eval()
    for layer in network.modules():  # statistics as after a training: what a window holds must not be all one value
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.running_mean, std=0.1)
    return network


class Collector:
    """Stands in for the writer: the mask in memory, and how often each pixel came."""

    def __init__(self, shape):
        self.mask, self.times = np.zeros(shape, np.uint8), np.zeros(shape, int)

    def add(self, top, left, part):
        self.mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        self.times[top : top + part.shape[0], left : left + part.shape[1]] += 1


def image_of(shape, seed=0):
    return picture_of(some_cells(shape, seed), seed)


def in_memory(image, network, factor, inferer):
    """Probability (Y, X), by the transforms that the bundle has."""
    plane = torch.from_numpy(image.astype(np.float32))[None]
    unit = (plane - plane.min()) / (plane.max() - plane.min())
    seen = MetaTensor(NormaliseContrast()(unit), meta={"spatial_shape": image.shape})
    sample = ResizeToWorkingd("image", factor)({"image": seen})
    with torch.no_grad():
        logits = inferer(sample["image"][None], network)[0]
    restored = RestoreGridd("pred")({**sample, "pred": logits})["pred"]
    return torch.sigmoid(torch.as_tensor(restored))[0].numpy()


def make(image, network, factor, inferer, threshold, tile=(48, 32)):
    plane = torch.from_numpy(image.astype(np.float32))[None]
    low, high = float(plane.min()), float(plane.max())
    unit = (plane - low) / (high - low)
    scale = NormaliseContrast().measure(unit.flatten(), lambda _: None)
    source = LargeImageSource(ArrayStack(image, tile))
    working = working_shape(image.shape, image.shape, factor)
    return BandPredictor(source, IntensityRange(low, high, scale), working, inferer, network, torch.device("cpu"), threshold)


def median(probability):
    """A threshold that half of the pixels pass, whatever the network."""
    return float(np.median(probability))


def differing(mask, probability):
    """Pixels that differ, but for ties."""
    threshold = median(probability)
    return int((((mask > 0) != (probability >= threshold)) & (np.abs(probability - threshold) > TIE)).sum())


class TestEquality:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("factor", FACTORS, ids=str)
    def test_the_mask_is_that_of_the_image_in_memory(self, network, shape, factor):
        image = image_of(shape)
        inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 48], network.multiple, batch=3, overlap=10)
        probability = in_memory(image, network, factor, inferer)
        assert probability.std() > 100 * TIE
        collected = Collector(shape)
        make(image, network, factor, inferer, median(probability)).predict(0, shape[0], collected)
        assert (collected.times == 1).all()
        assert differing(collected.mask, probability) == 0

    @pytest.mark.parametrize("overlap", [0, 8, 100])
    @pytest.mark.parametrize("views", [1, 8])
    def test_so_it_is_for_every_overlap_and_number_of_views(self, network, overlap, views):
        image = image_of(SHAPES[0])
        inferer = WindowInferer(
            Accelerator("cpu-fp32"), [40, 56], network.multiple, batch=1, overlap=overlap, tta_views=views
        )
        probability, collected = in_memory(image, network, 1.0, inferer), Collector(image.shape)
        make(image, network, 1.0, inferer, median(probability)).predict(0, image.shape[0], collected)
        assert differing(collected.mask, probability) == 0

    @pytest.mark.parametrize("factor", [1.0, 0.37, 1.6])
    @pytest.mark.parametrize("band", [(0, 100), (100, 200), (200, 301), (37, 38), (130, 301)], ids=str)
    def test_a_band_by_itself_is_its_part_of_the_whole(self, network, factor, band):
        image = image_of(SHAPES[0])
        inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 48], network.multiple, batch=1, overlap=10)
        probability, collected = in_memory(image, network, factor, inferer), Collector(image.shape)
        predictor = make(image, network, factor, inferer, median(probability))
        predictor.predict(*band, collected)
        assert (collected.times[band[0] : band[1]] == 1).all()
        assert collected.times.sum() == (band[1] - band[0]) * image.shape[1]
        outside = np.ones(image.shape[0], bool)
        outside[slice(*band)] = False
        collected.mask[outside] = 255 * (probability[outside] >= median(probability))
        assert differing(collected.mask, probability) == 0
        if factor >= 1 and band[1] - band[0] < 150:  # no more windows than it touches
            assert len(list(predictor.blend(*band).windows())) < len(list(predictor.blend(0, 301).windows()))

    @pytest.mark.parametrize(("windows", "is_reached"), [(1, True), (7, True), (1000, False)])
    def test_freed_memory_goes_back_after_so_many_windows_whatever_the_bands(
        self, network, monkeypatch, windows, is_reached
    ):
        image, released = image_of(SHAPES[0]), []
        monkeypatch.setattr("livecell_monai.prediction.large.band.TRIMMED", windows)
        monkeypatch.setattr("livecell_monai.prediction.large.band.release_memory", released.append)
        inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 48], network.multiple, batch=1, overlap=10)
        predictor, looked = make(image, network, 1.0, inferer, 0.5), []
        for rows in ((0, 100), (100, 200), (200, 301)):
            predictor.predict(*rows, Collector(image.shape), looked.append)
        assert len(released) == sum(looked) // windows
        assert bool(released) == is_reached
