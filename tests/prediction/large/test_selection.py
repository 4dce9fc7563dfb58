"""Which images are large, and what identifies their masks."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.large import LargeImageSource
from livecell_monai.errors import DataError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.large.selection import choose_large_images, describe_large_image, open_source, read_window
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import Region
from tests.support.array_stack import ArrayStack

SPOT = np.full((700, 600), 900, np.uint16)
AUTO = {"window": "auto", "memory_mb": 64 * 64 / 2**20, "bytes_per_pixel": 1, "batch": 1}  # as many pixels, other edges


@pytest.fixture
def items(tmp_path):
    plane = np.arange(300 * 400, dtype=np.uint16).reshape(300, 400)
    tifffile.imwrite(tmp_path / "large.tif", plane, tile=(64, 64))
    tifffile.imwrite(tmp_path / "small.tif", plane[:100, :100])
    Image.fromarray((plane % 256).astype(np.uint8)).save(tmp_path / "picture.png")
    (tmp_path / "torn.tif").write_bytes(b"II*\0no more than this")
    return [{"name": path.stem, "image": str(path)} for path in sorted(tmp_path.iterdir())]


@pytest.mark.parametrize(
    ("megapixels", "names"), [(0.001, ["large", "small"]), (0.05, ["large"]), (0.12, []), (0.1199, ["large"])]
)
def test_by_the_number_of_pixels(items, megapixels, names):
    mosaics, rest = choose_large_images(items, megapixels)
    assert [item["name"] for item in mosaics] == names
    assert [item["name"] for item in rest] == [item["name"] for item in items if item["name"] not in names]


def test_frames_of_a_movie_are_none(items):
    assert choose_large_images([items[0]] * 3, 0.001) == ([], [items[0]] * 3)


def test_a_part_of_what_is_open_source(items):
    with open_source(items[0]) as source:
        assert source.shape == (300, 400)
        assert source.read(Region(2, 3, 4, 5)).tolist() == [[803, 804], [1203, 1204]]


def test_windows_stay_in_the_image(items):
    assert read_window(items[0], (0.5, 0.5), 2)[0].tolist() == [149 * 400 + 199, 149 * 400 + 200]
    assert read_window(items[0], (0.0, 1.0), 2)[1].tolist() == [798, 799]
    assert read_window(items[0], (0.25, 0.75), 350).shape == (300, 350)


def test_what_is_torn_is_refused_when_it_is_open_source(items):
    with pytest.raises(DataError, match=r"torn.tif: cannot be read as TIFF"), open_source(items[-1]):
        pass


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
