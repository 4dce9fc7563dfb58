"""What a mosaic is, in plain values, and its grey scale, measured of the whole."""

import json

import numpy as np
import pytest
import torch

from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.data.large.survey import survey_source
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.large.record import describe_large_image, grey_of, measure_grey, to_record
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.transforms import NormaliseContrast
from livecell_monai.transforms.intensity import sample_step
from tests.support.array_stack import ArrayStack
from tests.support.worlds import picture_of, some_cells

SPOT = np.full((700, 600), 900, np.uint16)
SPOT[5, 7:30], SPOT[650, 550] = 2000, 100
PICTURES = {"cells": picture_of(some_cells((700, 600))), "few": SPOT, "floats": picture_of(some_cells((300, 900))) / 7.0}


def in_memory(image, normalise):
    plane = torch.from_numpy(image.astype(np.float32))[None]
    unit = (plane - plane.min()) / (plane.max() - plane.min())
    return (normalise(unit) if normalise else unit)[0]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(
    "normalise", [NormaliseContrast(), NormaliseContrast((0, 100)), None], ids=["robust", "all", "none"]
)
def test_every_part_is_normalised_as_the_whole(name, normalise):
    image = PICTURES[name]
    source = LargeImageSource(ArrayStack(image, (64, 64)))
    survey = survey_source(source, sample_step(image.size), 4)
    grey = measure_grey(source, survey, normalise)
    assert torch.equal(grey(image), in_memory(image, normalise))
    assert torch.equal(grey(image[100:150, 33:77]), in_memory(image, normalise)[100:150, 33:77])
    again = grey_of(json.loads(json.dumps(to_record({}, grey, (0.5, 0.25)))))
    assert again == grey


AUTO = {"window": "auto", "memory_mb": 64 * 64 / 2**20, "bytes_per_pixel": 1, "batch": 1}  # as many pixels, other edges


class TestDescription:
    @pytest.fixture
    def describe(self, tmp_path):
        path = tmp_path / "large.tif"
        path.write_bytes(b"pixels")

        def of(weights="ab", accelerator="cpu-fp32", settings=(("threshold", 0.5),), **windows):
            stack = ArrayStack(SPOT)
            stack.path = path
            inferer = WindowInferer(Accelerator(accelerator), **{"window": [64, 64], "multiple": 8, **windows})
            return describe_large_image(LargeImageSource(stack), inferer, weights, dict(settings))

        return of

    def test_is_plain_and_the_same_again(self, describe):
        assert json.loads(json.dumps(describe())) == describe()

    @pytest.mark.parametrize(
        "change",
        [{"weights": "cd"}, {"settings": {"threshold": 0.6}}, {"tta_views": 2}, {"overlap": 8}, {"window": [32, 64]}, AUTO],
    )
    def test_what_changes_a_mask_changes_it(self, describe, change):
        assert describe(**change) != describe()

    def test_another_file_in_its_place_changes_it(self, describe, tmp_path):
        before = describe()
        (tmp_path / "large.tif").write_bytes(b"other pixels")
        assert describe() != before
