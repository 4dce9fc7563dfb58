"""Which images are mosaics."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.errors import DataError
from livecell_monai.prediction.large.selection import choose_large_images, opened
from livecell_monai.sample import Region


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


def test_a_part_of_what_is_opened(items):
    with opened(items[0]) as source:
        assert source.shape == (300, 400)
        assert source.read(Region(2, 3, 4, 5)).tolist() == [[803, 804], [1203, 1204]]


def test_what_is_torn_is_refused_when_it_is_opened(items):
    with pytest.raises(DataError, match=r"torn.tif: cannot be read as TIFF"), opened(items[-1]):
        pass
