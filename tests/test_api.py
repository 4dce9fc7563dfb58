"""The Python API: arrays or paths in, arrays or paths out, nothing printed."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import livecell_monai
from livecell_monai import Segmenter, evaluate, predict, train
from livecell_monai.errors import DataError, SettingError
from tests.support.small_training import SMALL

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture(scope="module")
def image(trained):
    return trained[0] / "test" / "images" / "test_00.tif"


def test_names_exist_without_heavy_imports():
    code = "import sys, livecell_monai as found; dir(found); print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"train", "evaluate", "predict", "Segmenter"} <= set(dir(livecell_monai))
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        livecell_monai.segment  # noqa: B018


class TestSegmenter:
    def test_an_array_gives_the_mask_that_predict_writes(self, trained, image, tmp_path):
        done = predict(trained[1], image, output=tmp_path / "masks")
        assert [row["image"] for row in done.rows] == ["test_00"]
        pixels = tifffile.imread(image)
        mask = Segmenter(trained[1])(pixels)
        assert mask.dtype == bool
        assert mask.any()
        assert not mask.all()
        np.testing.assert_array_equal(mask, tifffile.imread(tmp_path / "masks" / "test_00.tif") > 0)

    @pytest.mark.parametrize("settings", [{}, {"scale": 0.5}, {"scale": [48, 64], "tta_views": 2}], ids=str)
    def test_its_cells_are_those_that_predict_writes(self, separating, tmp_path, settings):
        path = separating[0] / "test" / "images" / "test_00.tif"
        predict(separating[1], path, output=tmp_path / "out", settings=settings)
        written = tifffile.imread(tmp_path / "out" / "test_00_cells.tif")
        assert written.max() > 1
        mask = Segmenter(separating[1], settings)(tifffile.imread(path))
        np.testing.assert_array_equal(mask.cells, written)

    def test_maps_are_those_of_the_mask(self, trained, image):
        segmenter = Segmenter(str(trained[1]), {"threshold": 0.3})
        assert segmenter.channels == ("foreground",)
        np.testing.assert_array_equal(segmenter.maps(image)["foreground"] >= 0.3, segmenter(image))

    def test_settings_are_checked(self, trained):
        with pytest.raises(SettingError, match="threshold"):
            Segmenter(trained[1], {"threshold": 2.0})

    def test_rejects_several_planes(self, trained):
        with pytest.raises(DataError, match="one grey plane"):
            Segmenter(trained[1])(np.zeros((3, 20, 20), np.uint8))


class TestPredict:
    def test_arrays_of_several_sizes(self, trained, image, capfd):
        pixels, seen = tifffile.imread(image), []
        masks = predict(trained[1], [pixels, image, pixels[:40, :50]], progress=seen.append)
        assert [mask.shape for mask in masks] == [pixels.shape, pixels.shape, (40, 50)]
        np.testing.assert_array_equal(masks[0], masks[1])
        assert seen == [1, 2, 3]
        assert capfd.readouterr() == ("", "")

    def test_files_report_their_progress(self, trained, tmp_path, capfd):
        seen = []
        done = predict(trained[1], trained[0] / "test" / "images", output=tmp_path / "out", progress=seen.append)
        assert (len(done.rows), done.failures, seen) == (2, {}, [1, 2])
        assert capfd.readouterr() == ("", "")

    def test_rejects_arrays_with_an_output_folder(self, trained, tmp_path):
        with pytest.raises(DataError, match="with an output folder they must be files, got arrays"):
            predict(trained[1], [np.zeros((20, 20), np.uint8)], output=tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestTrain:
    def test_arrays_are_trained_on_as_the_files_of_a_folder(self, folder, tmp_path, without_figures, capfd):
        paths = (sorted((folder / "train" / kind).iterdir()) for kind in ("images", "labels"))
        images, labels = ([tifffile.imread(path) for path in of_kind] for of_kind in paths)
        epochs = []
        quick = {name: value for name, value in SMALL.items() if name != "show_progress"} | {"epochs": 2, "track": False}
        found = train((images, labels), tmp_path / "a", settings=quick, progress=lambda epoch, metrics: epochs.append(epoch))
        same = train(folder, tmp_path / "b", settings=quick)
        assert epochs == [1, 2]
        assert found["weights_sha256"] == same["weights_sha256"]
        assert capfd.readouterr().out == ""

    def test_rejects_different_numbers_of_images_and_labels(self, tmp_path):
        with pytest.raises(DataError, match="got 1 images and 0 labels"):
            train(([np.zeros((9, 9))], []), tmp_path / "out")


def test_scores_of_arrays_are_those_of_the_files(trained, tmp_path):
    data, bundle = trained
    images, labels = (sorted((data / "test" / kind).iterdir()) for kind in ("images", "labels"))
    arrays = [tifffile.imread(path) for path in images], [tifffile.imread(path) for path in labels]
    of_arrays, of_files, of_folder = (evaluate(bundle, given) for given in (arrays, (images, labels), data))
    assert of_arrays == of_files == of_folder
    assert 0 < of_arrays["iou"]["mean"] < 1


@pytest.mark.parametrize("call", [train, lambda data, output: evaluate("start", data, output)])
def test_annotations_beside_images_are_read(call, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    tifffile.imwrite(photos / "a.tif", np.arange(64, dtype=np.uint8).reshape(8, 8))
    tifffile.imwrite(photos / "a_masks.tif", np.ones((8, 9), np.uint8))
    with pytest.raises(DataError, match=r"a_masks\.tif: must be of the size of its image a\.tif"):
        call(photos, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.slow
def test_the_page_runs_as_printed(without_figures, tmp_path, monkeypatch):
    """Except that its training and its sample set are smaller."""
    from tests.support.commands import livecell

    monkeypatch.chdir(tmp_path)
    assert livecell("sample", "cells", "--size", 384, "--test", 2).code == 0
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    assert code.count("import") >= 5
    assert '"samples_per_epoch": 32' in code
    code = code.replace(
        '"samples_per_epoch": 32', '"samples_per_epoch": 4, "batch_size": 2, "patch_size": [64, 64], "filters": [4, 8]'
    )
    exec(compile(code, str(PAGE), "exec"), {})
