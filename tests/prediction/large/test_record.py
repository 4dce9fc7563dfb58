"""What makes the mask of a large image, in plain values."""

import json

import numpy as np
import pytest

from livecell_monai.data.large import LargeImageSource
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.large.record import describe_large_image
from livecell_monai.prediction.window_inferer import WindowInferer
from tests.support.array_stack import ArrayStack

SPOT = np.full((700, 600), 900, np.uint16)
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
