"""Grey values of a part, changed as those of the whole image are."""

import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import AdjustContrastd, Compose, ScaleIntensityd, ScaleIntensityRanged, ShiftIntensityd

from livecell_monai.data.large import LargeImageSource, survey_source
from livecell_monai.prediction.large import LargeImage, check_preprocessing, measure_large_image
from livecell_monai.sample import Region
from livecell_monai.transforms import NormaliseContrastd
from livecell_monai.transforms.intensity import sample_step
from tests.support.array_stack import ArrayStack
from tests.support.worlds import picture_of, some_cells

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
