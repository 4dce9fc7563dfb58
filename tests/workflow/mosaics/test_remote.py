"""Bands of a mosaic predicted by processes of their own."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from worlds import picture_of, some_cells

from livecell_monai.data.mosaics import CHUNK
from livecell_monai.workflow.mosaics.remote import MosaicBand, split_bands
from livecell_monai.workflow.opening import open_bundle
from livecell_monai.workflow.tasks import predict

SETTINGS = {"window": [512, 512], "mosaic_from": 1.0, "show_progress": False}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "images" / "large.tif"
    path.parent.mkdir()
    picture = np.kron(picture_of(some_cells((520, 256))), np.ones((5, 5), np.uint16))
    tifffile.imwrite(path, picture, tile=(256, 256))
    return path


def test_bands_of_other_processes_make_the_same_mosaic(trained, image, tmp_path):
    whole, out, bundle = tmp_path / "whole", tmp_path / "bands", str(trained[1])
    predict(bundle, [image], whole, SETTINGS)
    parser = open_bundle(bundle, ["inference"], SETTINGS, {"dataset_dir": [str(image)], "output_dir": str(out)}).parser
    mosaics = parser.get_parsed_content("mosaics")
    (item,) = mosaics.mosaics
    tasks = split_bands(bundle, item["image"], str(out), SETTINGS, mosaics.begin(item), CHUNK)
    assert [(task.top, task.bottom) for task in tasks] == [(0, 1024), (1024, 2048), (2048, 2600)]
    code = "import pickle, sys; [task.predict() for task in pickle.load(sys.stdin.buffer)]"
    for part in (tasks[2:], tasks[:1]):  # in any order, by a process that knows no more than the tasks
        subprocess.run([sys.executable, "-c", code], input=pickle.dumps(part), check=True)
    assert mosaics.missing(item) == [(1024, 2048)]
    tasks[1].predict()
    assert mosaics.missing(item) == []
    row = mosaics.finish(item)
    np.testing.assert_array_equal(tifffile.imread(out / "large.ome.tif"), tifffile.imread(whole / "large.ome.tif"))
    assert f"large,{row['foreground_fraction']},{row['components']}," in (whole / "summary.csv").read_text()


def test_tasks_are_whole_rows_of_chunks_of_what_is_missing():
    bands = [(0, 1024), (3072, 6000)]
    tasks = split_bands("model", "large.tif", "out", {"window": [64, 64]}, bands, 2 * CHUNK)
    assert [(task.top, task.bottom) for task in tasks] == [(0, 1024), (3072, 5120), (5120, 6000)]
    assert pickle.loads(pickle.dumps(tasks[0])) == tasks[0]
    assert isinstance(tasks[0], MosaicBand)
