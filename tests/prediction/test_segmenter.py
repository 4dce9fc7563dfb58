"""A network in memory finds what `predict` finds."""

import copy
import pickle
import weakref
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from livecell_monai.bundle.open import find_template, open_bundle
from livecell_monai.errors import BundleError, DataError
from livecell_monai.prediction.prepared import image_of, pixel_size_of
from livecell_monai.prediction.segmenter import Mask, open_segmenter
from livecell_monai.tasks import predict
from tests.support.small_training import CELL_MAPS, QUIET
from tests.support.worlds import picture_of, some_cells


@pytest.fixture(scope="module")
def untrained():
    return open_bundle(find_template(), ["inference"], {"scale": 0.5}).segmenter


def test_an_array_is_prepared_as_its_file(untrained, tmp_path):
    pixels = picture_of(some_cells((60, 84)))
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    ways = (pixels, tmp_path / "a.tif", str(tmp_path / "a.tif"), {"name": "a", "image": str(tmp_path / "a.tif")})
    first, *others = (image_of(untrained.prepare(given)) for given in ways)
    assert (first.shape, first.grid, first.path) == ((30, 42), (60, 84), Path("array"))
    for other in others:
        assert torch.equal(other.pixels, first.pixels)
        assert other.path == tmp_path / "a.tif"
    assert pixel_size_of(untrained.prepare(pixels)) is None


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 5), np.uint8), "must not be constant"),
        (np.full((4, 5), np.nan), "must be finite in every pixel"),
        (np.zeros((2, 4, 5)), r"must be one grey plane \(Y, X\), got the shape \(2, 4, 5\)"),
        (np.zeros((4, 5), complex), "must be one of uint8"),
    ],
)
def test_an_array_that_is_no_image_is_refused(untrained, pixels, words):
    with pytest.raises(DataError, match=f"array: an image {words}"):
        untrained.prepare(pixels)


def test_pixel_for_pixel_the_masks_of_predict(trained, tmp_path):
    data, bundle = trained
    images = sorted((data / "test" / "images").iterdir())
    predict(bundle, images, tmp_path, QUIET)
    segmenter = open_segmenter(bundle)
    for image in images:
        mask, pixels = segmenter(image), tifffile.imread(image)
        truth = tifffile.imread(tmp_path / image.name) > 0
        assert 0 < truth.mean() < 1
        np.testing.assert_array_equal(mask, truth)
        np.testing.assert_array_equal(segmenter(pixels), truth)
        maps = segmenter.maps(image)
        assert list(maps) == ["foreground"]
        np.testing.assert_array_equal(maps["foreground"] >= 0.5, truth)


def test_each_map_and_the_cells_follow_the_mirrored_views(separating):
    data, bundle = separating
    image = tifffile.imread(data / "test" / "images" / "test_00.tif")
    alone, averaged = (
        open_segmenter(bundle, {"accelerator": "cpu-fp32", "window": list(image.shape), "tta_views": views})
        for views in (1, 2)
    )
    turned = np.ascontiguousarray(image[:, ::-1])
    assert list(averaged.maps(image)) == CELL_MAPS
    for name, plane in averaged.maps(image).items():
        assert np.abs(alone.maps(turned)[name][:, ::-1] - alone.maps(image)[name]).max() > 0.01
        np.testing.assert_allclose(averaged.maps(turned)[name][:, ::-1], plane, atol=1e-4)
    assert averaged(image).cells.max() > 1


def test_a_mask_does_not_keep_its_image(untrained, monkeypatch):
    samples, prepare = [], untrained.prepare
    monkeypatch.setattr(untrained, "prepare", lambda image: samples.append(prepare(image)) or samples[-1])
    mask = untrained(picture_of(some_cells((60, 84))))
    kept = weakref.ref(samples.pop()["image"])
    assert kept() is None
    assert mask.cells.shape == (60, 84)


class TestMask:
    @pytest.fixture
    def mask(self):
        plane = some_cells() > 0
        return Mask.of(plane, lambda: ndimage.label(plane)[0])

    def test_its_cells_are_separated_once(self, mask):
        assert mask.cells.max() == 5
        assert mask.cells is mask.cells

    @pytest.mark.parametrize(
        "other",
        [copy.copy, copy.deepcopy, lambda mask: pickle.loads(pickle.dumps(mask)), lambda mask: mask[:40], np.transpose],
        ids=["copy", "deepcopy", "pickle", "part", "transposed"],
    )
    def test_a_part_or_copy_has_none_and_says_so(self, mask, other):
        changed = other(mask)
        assert changed.any()
        with pytest.raises(AttributeError, match="no part or copy of it; take them from it"):
            changed.cells  # noqa: B018

    def test_what_is_computed_from_it_is_plain(self, mask):
        assert type(~mask) is type(mask & mask) is np.ndarray
        assert type(mask.sum()) is np.int64
        assert type(mask.mean()) is np.float64
        assert mask.sum(axis=0).shape == mask.shape[1:]


def test_the_pixel_size_comes_along(trained, tmp_path):
    data, bundle = trained
    pixels = tifffile.imread(data / "test" / "images" / "test_00.tif")
    tifffile.imwrite(tmp_path / "a.tif", pixels, resolution=(20000, 40000), resolutionunit="CENTIMETER")
    assert pixel_size_of(open_segmenter(bundle).prepare(tmp_path / "a.tif")) == pytest.approx((0.25, 0.5))


def test_an_image_that_is_none_does_not_spoil_the_next(trained, tmp_path):
    data, bundle = trained
    image = data / "test" / "images" / "test_00.tif"
    segmenter = open_segmenter(bundle)
    before = segmenter(image)
    tifffile.imwrite(tmp_path / "rgb.tif", np.eye(3, dtype=np.uint8)[np.zeros((20, 20), int)], photometric="rgb")
    with pytest.raises(DataError, match=r"rgb.tif: an image must be one grey plane, this is RGB"):
        segmenter(tmp_path / "rgb.tif")
    np.testing.assert_array_equal(segmenter(image), before)


def test_a_folder_that_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="must have a folder configs/"):
        open_segmenter(tmp_path)


def test_a_bundle_without_weights(trained, tmp_path):
    import shutil

    shutil.copytree(trained[1] / "configs", tmp_path / "configs")
    with pytest.raises(BundleError, match="a bundle must have weights, found none"):
        open_segmenter(tmp_path)
