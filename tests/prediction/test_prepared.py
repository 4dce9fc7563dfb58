"""Preprocessed images, and the windows that are read from them."""

from pathlib import Path

import torch
from monai.data import MetaTensor

from livecell_monai.prediction.prepared import ImageInMemory, name_of, read_windows
from livecell_monai.prediction.windows import WindowPlan
from livecell_monai.sample import Region


def test_a_region_is_read():
    image = ImageInMemory(MetaTensor(torch.arange(12.0).reshape(1, 3, 4)))
    assert (image.shape, image.grid, image.is_lazy) == ((3, 4), (3, 4), False)
    assert image.read(Region(1, 2, 3, 4)).tolist() == [[[6.0, 7.0], [10.0, 11.0]]]


def test_windows_repeat_the_rim():
    image = ImageInMemory(torch.arange(6.0).reshape(1, 2, 3))
    rows, columns = WindowPlan((4, 4), 0, 4).cover((2, 3))
    assert read_windows(image, rows, columns, [(0, 0)])[0, 0].tolist() == [
        [0, 1, 2, 2],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
    ]


def test_names():
    assert name_of(torch.zeros(1)) == Path()
    assert name_of(MetaTensor(torch.zeros(1), meta={"filename_or_obj": ["in/a.tif"]})) == Path("in/a.tif")
