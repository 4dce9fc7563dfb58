"""A large image, prepared and predicted part by part, equals the image in memory."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    AdjustContrastd,
    Compose,
    GaussianSmoothd,
    NormalizeIntensityd,
    ScaleIntensityd,
    ScaleIntensityRanged,
    ShiftIntensityd,
)

from livecell_monai.data.large import LargeImageSource, survey_source
from livecell_monai.errors import SettingError
from livecell_monai.network import Head, UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction import window_inferer
from livecell_monai.prediction.large.image import LargeImage, check_preprocessing, measure_large_image
from livecell_monai.prediction.prepared import image_of
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import Region
from livecell_monai.transforms import DescribedStepsd, NormaliseContrastd, ResizeToScaled
from livecell_monai.transforms.described import Step
from livecell_monai.transforms.intensity import sample_step
from tests.support.array_stack import ArrayStack
from tests.support.worlds import picture_of, some_cells

SHAPES = [(301, 277), (120, 60), (33, 500), (500, 20), (50, 70)]
FACTORS = (1.0, 0.5, 0.37, 1.6, [200, 333])
TIE = 1e-5
SPOT = np.full((700, 600), 900, np.uint16)
SPOT[5, 7:30], SPOT[650, 550] = 2000, 100
PICTURES = {
    "cells": picture_of(some_cells((700, 600))),
    "few": SPOT,
    "bytes": (picture_of(some_cells((300, 200))) // 257).astype(np.uint8),
    "signed": picture_of(some_cells((300, 400))).astype(np.int32) - 20_000,
    "floats": picture_of(some_cells((300, 900))) / 7.0,
}
UNIT = ScaleIntensityd("image")
CHAINS = {
    "none": [],
    "unit": [UNIT],
    "robust": [UNIT, NormaliseContrastd("image")],
    "all": [UNIT, NormaliseContrastd("image", [0, 100])],
    "off": [UNIT, NormaliseContrastd("image", enabled=False)],
    "gamma": [UNIT, AdjustContrastd("image", gamma=0.7), NormaliseContrastd("image"), ShiftIntensityd("image", 0.25)],
    "range": [ScaleIntensityRanged("image", 0, 60_000, -1, 1, clip=True), ScaleIntensityd("image", minv=0.5, maxv=2.0)],
    "described": [DescribedStepsd("image", [Step("scale_range"), Step("clip", {"min": 0.1, "max": 0.9})])],
    "twice": [NormaliseContrastd("image", [1, 99]), UNIT, AdjustContrastd("image", gamma=2.0, invert_image=True)],
}


def sample_of(image, steps):
    """The image in memory, after the very transforms."""
    plane = MetaTensor(torch.from_numpy(image.astype(np.float32))[None], meta={"spatial_shape": image.shape})
    return Compose(steps)({"image": plane, "grid": torch.tensor(image.shape)})


def open_parts(image, steps, tile=(48, 32)):
    source = LargeImageSource(ArrayStack(image, tile))
    parts = check_preprocessing(Compose(steps), source.stack.path)
    survey = survey_source(source, sample_step(image.size), 4)
    facts = json.loads(json.dumps(measure_large_image(source, survey, parts)))
    return LargeImage(source, parts, facts)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("chain", CHAINS)
def test_every_part_is_that_of_the_whole_to_the_bit(picture, chain):
    image, steps = PICTURES[picture], CHAINS[chain]
    whole = sample_of(image, steps)["image"].as_tensor()
    parts = open_parts(image, steps, (64, 64))
    # the last bit of a power depends on where a value lies in memory
    rtol, atol = (1e-6, 1e-6) if any(isinstance(step, AdjustContrastd) for step in steps) else (0, 0)
    torch.testing.assert_close(parts.read(Region(0, 0, *image.shape)), whole, rtol=rtol, atol=atol)
    part = parts.read(Region(100, 33, 150, 77))
    torch.testing.assert_close(part, whole[:, 100:150, 33:77], rtol=rtol, atol=atol)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = UNet([4, 8, 8], stem_stride=2, channels=2).eval()
    for layer in network.modules():  # statistics as after a training: what a window holds must not be all one value
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.running_mean, std=0.1)
    return network


class TwoMaps(Head):
    """A head of two maps of one kind."""

    def __init__(self):
        self.channels = ("foreground", "other")


class TestPreprocessing:
    def test_transforms_of_other_keys_do_not_matter(self):
        steps = [UNIT, GaussianSmoothd("label", 1.0), ResizeToScaled("image", 0.5), ResizeToScaled("label", 0.2)]
        assert open_parts(SPOT, steps).shape == (350, 300)

    def test_an_image_may_have_its_own_scale(self):
        own = {"scale": 0.25, "cell_diameter": 30.0}
        steps = Compose([UNIT, ResizeToScaled("image", 0.5, own_settings={"/a/b.tif": own})])
        here, other = (check_preprocessing(steps, Path(f"/a/{name}.tif")) for name in "bc")
        assert (here.scale, here.own) == (0.25, own)
        assert (other.scale, other.own) == (0.5, {})

    @pytest.mark.parametrize(
        ("steps", "name"),
        [
            ([UNIT, GaussianSmoothd("image", 1.0)], "GaussianSmoothd"),
            ([NormalizeIntensityd("image")], "NormalizeIntensityd"),
            ([AdjustContrastd("image", gamma=2.0, retain_stats=True)], "AdjustContrastd"),
            ([ResizeToScaled("image", 0.5), UNIT], "ScaleIntensityd"),
            ([ResizeToScaled("image", 0.5), ResizeToScaled("image", 0.5)], "ResizeToScaled"),
            ([lambda sample: sample], "function"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_cannot_be_done_part_by_part_is_refused_by_its_name(self, steps, name):
        with pytest.raises(SettingError, match=f"large image must work part by part, {name} does not here; remove it"):
            open_parts(SPOT, steps)


def make(network, **windows):
    options = {"window": [64, 48], "multiple": network.multiple, "batch": 1, "overlap": 10, **windows}
    inferer = WindowInferer(Accelerator("cpu-fp32"), **options)
    return Segmenter(network, inferer, None, TwoMaps(), 0.5, torch.device("cpu"))


def collect(segmenter, image, band):
    """The maps of a band, NaN where none came, and how often each pixel did."""
    maps, times = np.full((2, *image.grid), np.nan, np.float32), np.zeros(image.grid, int)
    for top, left, block in segmenter.bands(image, *band):
        rows, columns = slice(top, top + block.shape[1]), slice(left, left + block.shape[2])
        maps[:, rows, columns] = block
        times[rows, columns] += 1
    return maps, times


def steps_at(factor):
    return [UNIT, NormaliseContrastd("image"), ResizeToScaled("image", factor)]


class TestBands:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("factor", FACTORS, ids=str)
    def test_the_maps_are_those_of_the_image_in_memory(self, network, shape, factor):
        image, segmenter = picture_of(some_cells(shape, 0), 0), make(network, batch=3)
        whole = segmenter.maps_of(image_of(sample_of(image, steps_at(factor)))).numpy()
        assert whole.std() > 100 * TIE
        maps, times = collect(segmenter, open_parts(image, steps_at(factor)), (0, shape[0]))
        assert (times == 1).all()
        # a sigmoid's last bit depends on where a value lies in memory
        np.testing.assert_allclose(maps, whole, rtol=0, atol=1e-7 if factor == 1.0 else TIE)

    @pytest.mark.parametrize("shape", [(110, 130), pytest.param(SHAPES[0], marks=pytest.mark.slow)], ids=str)
    @pytest.mark.parametrize("overlap", [0, 8, 100])
    @pytest.mark.parametrize("views", [1, 8])
    def test_so_it_is_for_every_overlap_and_number_of_views(self, network, overlap, views, shape):
        image = picture_of(some_cells(shape, 0), 0)
        segmenter = make(network, window=[40, 56], overlap=overlap, tta_views=views)
        whole = segmenter.maps_of(image_of(sample_of(image, steps_at(1.0)))).numpy()
        maps, _ = collect(segmenter, open_parts(image, steps_at(1.0)), (0, image.shape[0]))
        np.testing.assert_allclose(maps, whole, rtol=0, atol=1e-7)

    @pytest.mark.parametrize("factor", [1.0, 0.37, 1.6])
    @pytest.mark.parametrize("band", [(0, 100), (100, 200), (200, 301), (37, 38), (130, 301)], ids=str)
    def test_a_band_by_itself_is_its_part_of_the_whole(self, network, factor, band):
        image, segmenter = picture_of(some_cells(SHAPES[0], 0), 0), make(network)
        parts = open_parts(image, steps_at(factor))
        whole = segmenter.maps_of(image_of(sample_of(image, steps_at(factor)))).numpy()
        maps, times = collect(segmenter, parts, band)
        assert (times[slice(*band)] == 1).all()
        assert times.sum() == (band[1] - band[0]) * image.shape[1]
        np.testing.assert_allclose(maps[:, slice(*band)], whole[:, slice(*band)], rtol=0, atol=TIE)
        if factor >= 1 and band[1] - band[0] < 150:  # no more windows than it touches
            assert segmenter.count_windows(parts, *band) < segmenter.count_windows(parts, 0, 301)

    def test_what_is_not_taken_to_the_end_gives_the_cores_back(self, network):
        threads = torch.get_num_threads()
        torch.set_num_threads(4)
        try:
            bands = make(network).bands(open_parts(picture_of(some_cells(SHAPES[0], 0), 0), steps_at(1.0)), 0, 301)
            next(bands)
            assert torch.get_num_threads() == 2
            bands.close()
            assert torch.get_num_threads() == 4
        finally:
            torch.set_num_threads(threads)

    @pytest.mark.parametrize(("windows", "is_reached"), [(1, True), (7, True), (1000, False)])
    def test_freed_memory_is_released_after_so_many_windows_whatever_the_bands(
        self, network, monkeypatch, windows, is_reached
    ):
        released, looked = [], []
        monkeypatch.setattr(window_inferer, "RELEASE_AFTER", windows)
        monkeypatch.setattr(window_inferer, "release_memory", released.append)
        segmenter, parts = make(network), open_parts(picture_of(some_cells(SHAPES[0], 0), 0), steps_at(1.0))
        for band in ((0, 100), (100, 200), (200, 301)):
            for _ in segmenter.bands(parts, *band, looked.append):
                pass
        assert len(released) == sum(looked) // windows
        assert bool(released) == is_reached


@pytest.mark.parametrize("picture", ["cells", "bytes", "signed", "floats"])
def test_described_statistics_are_those_of_a_sample(picture):
    """Only the least and the greatest value are exact."""
    image = PICTURES[picture]
    steps = [DescribedStepsd("image", [Step("zero_mean_unit_variance")])]
    whole = sample_of(image, steps)["image"].as_tensor()
    part = open_parts(image, steps, (64, 64)).read(Region(0, 0, *image.shape))
    torch.testing.assert_close(part, whole, rtol=0.1, atol=0.1)
    assert torch.corrcoef(torch.stack([part.flatten(), whole.flatten()]))[0, 1] > 0.99999
