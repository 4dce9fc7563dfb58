"""Mosaics beside other images: what is chosen, done in steps, written and refused, by the bundle's own components."""

import numpy as np
import pytest
import tifffile
from monai.bundle import ConfigWorkflow
from PIL import Image

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.prediction.prepared import read_windows
from livecell_monai.runs.atomic import read_table
from livecell_monai.tasks import predict
from tests.support.worlds import picture_of, some_cells

SETTINGS = {"window": [512, 512], "tiling_min_megapixels": 1.0, "show_progress": False}
SHAPE = (1500, 2100)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with a mosaic in strips and a small image."""
    folder = tmp_path_factory.mktemp("images")
    large = np.kron(picture_of(some_cells((300, 300))), np.ones((5, 7), np.uint16))
    tifffile.imwrite(folder / "large.tif", large, rowsperstrip=16, compression="zlib")
    tifffile.imwrite(folder / "small.tif", large[:300, :400])
    return folder


@pytest.fixture
def parser(trained, images, tmp_path):
    def open_with(**settings):
        paths = {"dataset_dir": [str(images)], "output_dir": str(tmp_path / "out")}
        opened_bundle = open_bundle(trained[1], ["inference"], {**SETTINGS, **settings}, paths).workflow.parser
        opened_bundle.get_parsed_content("inference_network#network")
        return opened_bundle

    return open_with


def test_mosaics_and_other_images_part_by_size(parser):
    mosaics = parser().get_parsed_content("large_images")
    assert [item["name"] for item in mosaics.large] == ["large"]
    assert [item["name"] for item in mosaics.rest] == ["small"]
    assert parser(tiling_min_megapixels=64.0).get_parsed_content("large_images").large == []


def test_step_by_step(parser, tmp_path):
    mosaics = parser().get_parsed_content("large_images")
    (item,) = mosaics.large
    assert mosaics.begin(item) == mosaics.missing(item) == [(0, 1500)]
    seen = []
    mosaics.predict_band(item, 1024, 1500, seen.append)
    assert mosaics.missing(item) == [(0, 1024)]
    assert sum(seen) == mosaics.count_windows(item, [(1024, 1500)])
    assert 0 < sum(seen) < mosaics.count_windows(item, [(0, 1500)])
    mosaics.predict_band(item, 0, 1024)
    assert not mosaics.path_of(item).exists()
    row = mosaics.finish(item)
    mask = read_plane(mosaics.path_of(item)).pixels
    assert mask.shape == SHAPE
    assert row["foreground_fraction"] == round(float((mask > 0).mean()), 6)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"large.ome.tif", "summary.csv"}


def test_bands_of_several_predictors_make_one_mosaic(trained, images, parser, tmp_path):
    """As processes with a predictor of their own do: they find what one of them has begun."""
    predict(trained[1], [images], tmp_path / "whole", SETTINGS)
    first = parser().get_parsed_content("large_images")
    (item,) = first.large
    assert first.begin(item) == [(0, 1500)]
    for top, bottom in ((1024, 1500), (0, 1024)):
        other = parser(resume=True).get_parsed_content("large_images")
        other.predict_band(other.large[0], top, bottom)
    assert first.missing(item) == []
    first.finish(item)
    masks = [read_plane(tmp_path / folder / "large.ome.tif").pixels for folder in ("whole", "out")]
    np.testing.assert_array_equal(*masks)


def test_every_strip_is_decoded_few_times(parser):
    mosaics = parser().get_parsed_content("large_images")
    (item,) = mosaics.large
    mosaics.begin(item)
    with mosaics._opened(item) as image:
        assert image.source._cache.block == (128, SHAPE[1])
        blender = mosaics.segmenter.inferer.blender(image.shape, (0, 1500))
        for place in blender.windows():
            read_windows(image, blender.rows, blender.columns, [place])
        assert image.source.decoded <= 1.5 * -(-1500 // 128)


def test_the_overlay_is_a_small_picture(parser, images, tmp_path):
    predict_with = parser(outputs=["mask", "overlay"]).get_parsed_content("large_images")
    (item,) = predict_with.large
    for top, bottom in predict_with.begin(item):
        predict_with.predict_band(item, top, bottom)
    predict_with.finish(item)
    picture = np.asarray(Image.open(tmp_path / "out" / "large_overlay.png"))
    assert picture.shape == (750, 1050, 3)


class TestEarlierResults:
    @pytest.fixture
    def image(self, images):
        return images / "large.tif"

    @pytest.mark.parametrize("is_begun", [True, False])
    def test_an_overwriting_run_that_was_killed_goes_on_with_its_own_mask(self, trained, image, parser, tmp_path, is_begun):
        strict = {**SETTINGS, "threshold": 0.9}
        predict(trained[1], [image], tmp_path / "fresh", strict)
        predict(trained[1], [image], tmp_path / "out", SETTINGS)
        before = read_plane(tmp_path / "out" / "large.ome.tif").pixels
        killed = parser(threshold=0.9, overwrite=True).get_parsed_content("large_images")
        (item,) = killed.large
        killed.mark_replaced()
        if is_begun:
            assert killed.begin(item) == [(0, 1500)]
            killed.predict_band(item, 0, 1024)
        predict(trained[1], [image], tmp_path / "out", {**strict, "resume": True})
        expected, found = (read_plane(tmp_path / name / "large.ome.tif").pixels for name in ("fresh", "out"))
        np.testing.assert_array_equal(found, expected)
        assert (found != before).any()
        (row,) = read_table(tmp_path / "out" / "summary.csv")
        assert float(row["foreground_fraction"]) == round(float((expected > 0).mean()), 6)

    @pytest.fixture
    def small(self, image, tmp_path):
        """Just large enough to be predicted part by part."""
        pixels = tifffile.imread(image)[:1050, :1000]
        size = {"resolution": (2e4, 4e4), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(tmp_path / "large.tif", pixels, tile=(256, 256), **size)
        return tmp_path / "large.tif"

    def test_what_is_not_written_again_is_deleted(self, trained, small, tmp_path):
        predict(
            trained[1], [small], tmp_path / "out", {**SETTINGS, "cells": True, "outputs": ["mask", "summary", "overlay"]}
        )
        assert {"cells.csv", "large_cells.ome.tif", "large_overlay.png"} <= names(tmp_path / "out")
        predict(trained[1], [small], tmp_path / "out", {**SETTINGS, "cells": False, "overwrite": True})
        assert names(tmp_path / "out") == {"large.ome.tif", "summary.csv"}

    def test_a_finished_image_gets_the_overlay_that_is_missing(self, trained, small, tmp_path):
        both = {**SETTINGS, "cells": True, "outputs": ["mask", "summary", "overlay"]}
        predict(trained[1], [small], tmp_path / "whole", both)
        predict(trained[1], [small], tmp_path / "out", {**SETTINGS, "cells": True})
        predict(trained[1], [small], tmp_path / "out", {**both, "resume": True})
        pictures = [Image.open(tmp_path / name / "large_overlay.png") for name in ("whole", "out")]
        np.testing.assert_array_equal(*map(np.asarray, pictures))
        (whole,), (found,) = (read_table(tmp_path / name / "summary.csv") for name in ("whole", "out"))
        assert float(found["cells_per_mm2"]) > 0
        assert {**found, "seconds": ""} == {**whole, "seconds": ""}


def names(folder):
    return {path.name for path in folder.iterdir()}


class TestOverlay:
    """A changed `preprocessing` changes small and large images alike."""

    def masks(self, trained, images, tmp_path, name, preprocessing):
        found = []
        for megapixels in (1.0, 64.0):
            output = tmp_path / f"{name}_{megapixels}"
            paths = {"dataset_dir": [str(images / "large.tif")], "output_dir": str(output)}
            settings = {**SETTINGS, "tiling_min_megapixels": megapixels}
            workflow = open_bundle(trained[1], ["inference"], settings, paths, run_id="inferring")
            if preprocessing:
                steps = workflow.workflow.parser.config["preprocessing"]["transforms"]
                workflow.workflow.parser.config["preprocessing"]["transforms"] = preprocessing(steps)
            workflow.initialize()
            workflow.run()
            (mask,) = output.glob("large*.tif")
            found.append(read_plane(mask).pixels)
        return found

    def test_both_paths_obey_it(self, trained, images, tmp_path):
        gamma = {"_target_": "AdjustContrastd", "keys": "image", "gamma": 3.0, "invert_image": True}

        def with_gamma(steps):
            at = steps.index("@scale_grey")
            return [*steps[: at + 1], gamma, *steps[at + 1 :]]

        large, small = self.masks(trained, images, tmp_path, "own", None)
        np.testing.assert_array_equal(large, small)
        changed_large, changed_small = self.masks(trained, images, tmp_path, "gamma", with_gamma)
        assert (changed_large != large).mean() > 0.001
        np.testing.assert_array_equal(changed_large, changed_small)

    def test_what_cannot_be_done_part_by_part_is_refused_in_one_line(self, trained, images, tmp_path):
        smooth = {"_target_": "GaussianSmoothd", "keys": "image", "sigma": 1.0}
        with pytest.raises(Exception, match=r"GaussianSmoothd|LargeImagePredictor") as refusal:
            self.masks(trained, images, tmp_path, "smooth", lambda steps: [*steps, smooth])
        error = find_user_error(refusal.value)
        assert isinstance(error, SettingError)
        assert "part by part, GaussianSmoothd does not here" in str(error)
        assert not (tmp_path / "smooth_1.0").exists()


@pytest.mark.filterwarnings("ignore:ConfigWorkflow will execute:UserWarning")
def test_monais_own_door_writes_the_same(trained, images, tmp_path):
    predict(trained[1], [images], tmp_path / "ours", SETTINGS)
    root = trained[1] / "configs"
    workflow = ConfigWorkflow(
        [str(root / "inference.yaml")],
        meta_file=str(root / "metadata.json"),
        workflow_type="infer",
        logging_file=False,
        run_id="inferring",
        bundle_root=str(trained[1]),
        dataset_dir=str(images),
        output_dir=str(tmp_path / "theirs"),
        **SETTINGS,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    names = sorted(path.name for path in (tmp_path / "ours").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "theirs").iterdir())
    assert names == ["large.ome.tif", "small.tif", "summary.csv"]
    for name in names[:2]:
        first, second = (read_plane(tmp_path / door / name).pixels for door in ("ours", "theirs"))
        np.testing.assert_array_equal(first, second)


def test_an_unknown_form_is_refused(parser):
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - MONAI wraps it
        parser(large_image_format="png").get_parsed_content("large_images")
    error = find_user_error(refusal.value)
    assert isinstance(error, SettingError)
    assert "large_image_format must be tiff or zarr, got 'png'" in str(error)
