"""Part of an annotated image: the same pixels, of the share asked for, with both classes."""

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.crops import crop_sample
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.errors import DataError
from tests.support.worlds import write_sample


def find(part, whole):
    """Where a crop lies in its image."""
    windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    (place,) = np.argwhere((windows == part).all(axis=(2, 3)))
    return tuple(place)


@pytest.mark.parametrize("share", [0.125, 0.25, 0.5])
def test_the_same_part_of_every_plane(bordered, tmp_path, share):
    (sample, *_) = list_samples(bordered, "train")
    part = crop_sample(sample, share, tmp_path / "part", np.random.default_rng(1))
    assert part.name == sample.name
    places = set()
    for before, after in ((sample.image, part.image), (sample.border, part.border)):
        whole, piece = tifffile.imread(before), tifffile.imread(after)
        assert piece.dtype == whole.dtype
        assert piece.size / whole.size == pytest.approx(share, rel=0.05)
        assert piece.shape[0] / piece.shape[1] == pytest.approx(whole.shape[0] / whole.shape[1], rel=0.05)
        if before == sample.image:
            places.add(find(piece, whole))
    (top, left) = places.pop()
    label = tifffile.imread(part.label)
    height, width = label.shape
    np.testing.assert_array_equal(label, tifffile.imread(sample.label)[top : top + height, left : left + width])
    assert label.any()
    assert not label.all()


def test_places_differ_by_the_draw_and_repeat_with_the_seed(folder, tmp_path):
    (sample, *_) = list_samples(folder, "train")
    images = [
        tifffile.imread(crop_sample(sample, 0.25, tmp_path / str(i), np.random.default_rng(seed)).image)
        for i, seed in enumerate((0, 0, 1))
    ]
    assert (images[0] == images[1]).all()
    assert (images[0] != images[2]).any()


def test_the_whole(folder, tmp_path):
    (sample, *_) = list_samples(folder, "train")
    part = crop_sample(sample, 1.0, tmp_path / "part", np.random.default_rng(0))
    np.testing.assert_array_equal(tifffile.imread(part.image), tifffile.imread(sample.image))


def test_a_label_of_one_class_is_refused_and_nothing_written(tmp_path):
    write_sample(
        tmp_path / "data", "empty", np.zeros((40, 50), np.uint16), image=np.arange(2000, dtype=np.uint16).reshape(40, 50)
    )
    (sample,) = list_samples(tmp_path / "data", "train")
    with pytest.raises(DataError, match=r"a rectangle of 25.0% of the area must hold cells and background, found none"):
        crop_sample(sample, 0.25, tmp_path / "part", np.random.default_rng(0))
    assert not (tmp_path / "part").exists()
