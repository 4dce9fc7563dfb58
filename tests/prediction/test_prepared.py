"""Images as the network sees them, from files and arrays."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor

from livecell_monai.bundle.open import find_template, open_bundle
from livecell_monai.errors import DataError
from livecell_monai.prediction.prepared import ImageInMemory, image_of, name_of, pixel_size_of, prepare, read_windows
from livecell_monai.prediction.windows import plan_windows
from livecell_monai.sample import Region
from tests.support.worlds import picture_of, some_cells


@pytest.fixture(scope="module")
def preprocessing():
    return open_bundle(find_template(), ["inference"], {"scale": 0.5}).segmenter.preprocessing


def test_an_array_is_prepared_as_its_file(preprocessing, tmp_path):
    pixels = picture_of(some_cells((60, 84)))
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    ways = (pixels, tmp_path / "a.tif", str(tmp_path / "a.tif"), {"name": "a", "image": str(tmp_path / "a.tif")})
    first, *others = (image_of(prepare(given, preprocessing)) for given in ways)
    assert (first.shape, first.grid, first.path) == ((30, 42), (60, 84), Path("array"))
    for other in others:
        assert torch.equal(other.pixels, first.pixels)
        assert other.path == tmp_path / "a.tif"
    assert pixel_size_of(prepare(pixels, preprocessing)) is None


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 5), np.uint8), "must not be constant"),
        (np.full((4, 5), np.nan), "must be finite in every pixel"),
        (np.zeros((2, 4, 5)), r"must be one grey plane \(Y, X\), got the shape \(2, 4, 5\)"),
        (np.zeros((4, 5), complex), "must be one of uint8"),
    ],
)
def test_an_array_that_is_no_image_is_refused(preprocessing, pixels, words):
    with pytest.raises(DataError, match=f"array: an image {words}"):
        prepare(pixels, preprocessing)


def test_a_region_is_read(preprocessing):
    image = ImageInMemory(MetaTensor(torch.arange(12.0).reshape(1, 3, 4)))
    assert (image.shape, image.grid, image.is_lazy) == ((3, 4), (3, 4), False)
    assert image.read(Region(1, 2, 3, 4)).tolist() == [[[6.0, 7.0], [10.0, 11.0]]]


def test_windows_repeat_the_rim():
    image = ImageInMemory(torch.arange(6.0).reshape(1, 2, 3))
    rows, columns = plan_windows((2, 3), (4, 4), 0, 4)
    assert read_windows(image, rows, columns, [(0, 0)])[0, 0].tolist() == [
        [0, 1, 2, 2],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
    ]


def test_names():
    assert name_of(torch.zeros(1)) == Path()
    assert name_of(MetaTensor(torch.zeros(1), meta={"filename_or_obj": ["in/a.tif"]})) == Path("in/a.tif")
