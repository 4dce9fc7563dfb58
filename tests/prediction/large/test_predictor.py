"""Mosaics beside other images: what is chosen, done in steps, written and refused, by the bundle's own components."""

import numpy as np
import pytest
import tifffile
from monai.bundle import ConfigWorkflow
from PIL import Image

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.prediction.large.choosing import opened
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
        opened_bundle.get_parsed_content("fold")
        return opened_bundle

    return open_with


def test_mosaics_and_other_images_part_by_size(parser):
    mosaics = parser().get_parsed_content("mosaics")
    assert [item["name"] for item in mosaics.mosaics] == ["large"]
    assert [item["name"] for item in mosaics.rest] == ["small"]
    assert parser(tiling_min_megapixels=64.0).get_parsed_content("mosaics").mosaics == []


def test_step_by_step(parser, tmp_path):
    mosaics = parser().get_parsed_content("mosaics")
    (item,) = mosaics.mosaics
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
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["large.ome.tif"]


def test_bands_of_several_predictors_make_one_mosaic(trained, images, parser, tmp_path):
    """As processes with a predictor of their own do: they find what one of them has begun."""
    predict(trained[1], [images], tmp_path / "whole", SETTINGS)
    first = parser().get_parsed_content("mosaics")
    (item,) = first.mosaics
    assert first.begin(item) == [(0, 1500)]
    for top, bottom in ((1024, 1500), (0, 1024)):
        other = parser(resume=True).get_parsed_content("mosaics")
        other.predict_band(other.mosaics[0], top, bottom)
    assert first.missing(item) == []
    first.finish(item)
    masks = [read_plane(tmp_path / folder / "large.ome.tif").pixels for folder in ("whole", "out")]
    np.testing.assert_array_equal(*masks)


def test_every_strip_is_decoded_few_times(parser):
    mosaics = parser().get_parsed_content("mosaics")
    (item,) = mosaics.mosaics
    with opened(item, mosaics._rows_at_once(item)) as source:
        mosaics.begin(item)
        assert source.block == (128, SHAPE[1])
        predictor = mosaics._band_predictor(source, mosaics._folder(item))
        for row, column in predictor.blend(0, 1500).windows():
            predictor._read_window(row, column)
        assert source.decoded <= 1.5 * -(-1500 // 128)


def test_the_overlay_is_a_small_picture(parser, images, tmp_path):
    predict_with = parser(write_overlay=True).get_parsed_content("mosaics")
    (item,) = predict_with.mosaics
    for top, bottom in predict_with.begin(item):
        predict_with.predict_band(item, top, bottom)
    predict_with.finish(item)
    picture = np.asarray(Image.open(tmp_path / "out" / "large_overlay.png"))
    assert picture.shape == (750, 1050, 3)


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
        parser(large_image_format="png").get_parsed_content("mosaics")
    error = find_user_error(refusal.value)
    assert isinstance(error, SettingError)
    assert "large_image_format must be tiff or zarr, got 'png'" in str(error)
