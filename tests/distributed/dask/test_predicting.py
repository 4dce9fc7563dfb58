"""Predictions on real workers: their tasks, and the files of the plain loop, whatever happens to a worker."""

import csv
import filecmp
import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.bundle.open import open_bundle
from livecell_monai.distributed.dask import Job, predict_distributed
from livecell_monai.distributed.dask.predicting import divide_images, divide_rows
from livecell_monai.tasks import predict
from tests.support.small_training import QUIET
from tests.support.worlds import picture_of, some_cells


def predict_on(workers, bundle, images, output, **settings):
    """Predict on workers that are there already; the parser's rows and the failures."""
    chosen = {**QUIET, **settings}
    paths = {"dataset_dir": [str(image) for image in images], "output_dir": str(output)}
    workflow = open_bundle(bundle, ["inference"], chosen, paths, run_id="inferring")
    workflow.initialize()
    failures = predict_distributed(workflow, Job(str(bundle), str(output), json.dumps(chosen)), workers)
    return workflow.writer.rows, failures


def read_table(path, *without):
    with open(path, encoding="utf-8", newline="") as stream:
        return [{key: value for key, value in row.items() if key not in without} for row in csv.DictReader(stream)]


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def assert_alike(plain, shared):
    """The same files byte for byte; in the table all but the seconds."""
    assert names(plain) == names(shared)
    files = [name for name in names(plain) if name not in ("summary.csv",)]
    same, other, unread = filecmp.cmpfiles(plain, shared, files, shallow=False)
    assert (sorted(same), other, unread) == (files, [], [])
    assert read_table(plain / "summary.csv", "seconds") == read_table(shared / "summary.csv", "seconds")


def image(name):
    return {"name": name, "image": f"{name}.tif"}


def movie(name, frames):
    return [{"name": name, "image": f"{name}.tif::t={t},c=0,z=0", "frames": frames, "position": t} for t in range(frames)]


@pytest.mark.parametrize(("count", "workers", "most"), [(1000, 2, 32), (100, 1, 25), (16, 2, 2), (3, 8, 1), (1, 1, 1)])
def test_images_in_their_order_a_few_at_a_time(count, workers, most):
    items = [image(f"i{number}") for number in range(count)]
    parts = list(divide_images(items, workers))
    assert list(itertools.chain(*parts)) == items
    assert max(map(len, parts)) == most


def test_a_task_has_frames_of_one_movie_only():
    items = [image("a"), *movie("m", 20), *movie("n", 2), image("b"), image("c")]
    parts = list(divide_images(items, 1))
    assert list(itertools.chain(*parts)) == items
    names = [[item["name"] for item in part] for part in parts]
    assert names == [["a"], *[["m"] * 5] * 4, ["n"], ["n"], ["b"], ["c"]]
    assert max(map(len, divide_images(movie("m", 1000), 2))) == 32


def test_nothing_is_no_task():
    assert list(divide_images([], 2)) == []
    assert divide_rows([], 2, 1024) == []


@pytest.mark.parametrize("workers", [1, 2, 5, 1000])
def test_rows_each_once_and_by_whole_chunks(workers):
    bands = [(0, 1024), (3072, 20_000)]
    shared = divide_rows(bands, workers, 1024)
    assert sorted(itertools.chain(*(range(*band) for band in shared))) == sorted(
        itertools.chain(*(range(*b) for b in bands))
    )
    assert all(top % 1024 == 0 for top, _ in shared)
    assert len(shared) >= min(4 * workers, 18)


@pytest.mark.slow
def test_byte_for_byte_what_the_plain_loop_writes(workers, separating, many, tmp_path):
    settings = {"outputs": ["mask", "summary", "probability", "overlay"]}
    predict(separating[1], [many], tmp_path / "plain", {**QUIET, **settings})
    rows, failures = predict_on(workers, separating[1], [many], tmp_path / "shared", **settings)
    assert (len(rows), failures) == (24, {})
    assert len(names(tmp_path / "shared")) == 5 * 24 + 3  # also the second map, the cells, their table and its units
    assert_alike(tmp_path / "plain", tmp_path / "shared")


@pytest.mark.slow
def test_the_model_is_loaded_once_in_a_worker(workers, trained, many, tmp_path):
    predict_on(workers, trained[1], [many], tmp_path / "shared")

    def count_loads():
        from livecell_monai.distributed.dask.worker import _open

        return _open.cache_info().misses

    before = workers.client.run(count_loads)
    predict_on(workers, trained[1], [many], tmp_path / "shared", overwrite=True)
    predict_on(workers, trained[1], [many], tmp_path / "shared", overwrite=True)
    # once for the job, whose settings now say to write over; not once for each of its 24 images
    assert all(after <= before[address] + 1 for address, after in workers.client.run(count_loads).items())


@pytest.mark.slow
def test_overwriting_deletes_what_is_not_written_again(workers, trained, many, tmp_path):
    predict(trained[1], [many], tmp_path / "out", {**QUIET, "outputs": ["mask", "summary", "overlay"]})
    before = names(tmp_path / "out")
    assert sum(name.endswith("_overlay.png") for name in before) == 24
    predict_on(workers, trained[1], [many], tmp_path / "out", overwrite=True)
    assert names(tmp_path / "out") == [name for name in before if not name.endswith("_overlay.png")]


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing_and_nothing_is_written_twice(workers, trained, many, tmp_path):
    output, seen = tmp_path / "shared", {}
    victim = next(iter(workers.client.run(os.getpid).values()))

    def kill():
        while not list(output.glob("*.tif")):
            time.sleep(0.002)
        seen.update({path.name: path.stat().st_ino for path in output.glob("*.tif")})
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    rows, failures = predict_on(workers, trained[1], [many], output, tta_views=8)
    killer.join()
    workers.client.wait_for_workers(2, timeout=60)
    assert victim not in workers.client.run(os.getpid).values()
    assert 0 < len(seen) < 24
    assert (len(rows), failures) == (24, {})
    assert {name: (output / name).stat().st_ino for name in seen} == seen
    predict(trained[1], [many], tmp_path / "plain", {**QUIET, "tta_views": 8})
    assert_alike(tmp_path / "plain", output)


@pytest.mark.slow
def test_an_image_that_cannot_be_read(workers, trained, many, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    rows, failures = predict_on(workers, trained[1], [bad, many], tmp_path / "shared")
    assert len(rows) == 24
    assert list(failures) == [bad]
    assert "bad.tif" not in names(tmp_path / "shared")


@pytest.mark.slow
def test_where_none_can_be_read_no_folder_is_left(workers, trained, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    rows, failures = predict_on(workers, trained[1], [bad], tmp_path / "shared")
    assert (rows, list(failures)) == ([], [bad])
    assert not (tmp_path / "shared").exists()


@pytest.mark.slow
def test_a_folder_in_place_of_a_result_is_a_failure_of_its_image(workers, trained, many, tmp_path):
    output = tmp_path / "shared"
    (output / "test_05.tif").mkdir(parents=True)
    rows, failures = predict_on(workers, trained[1], [many], output, overwrite=True)
    (message,) = failures.values()
    assert "test_05.tif: cannot be written" in message
    assert "test_05" not in {row["image"] for row in rows}
    assert (output / "summary.csv").exists()


@pytest.mark.slow
def test_a_movie_is_one_stack(workers, separating, tmp_path):
    frames = np.stack([picture_of(some_cells(seed=seed), seed) for seed in range(4)])
    tifffile.imwrite(tmp_path / "movie.ome.tif", frames, metadata={"axes": "TYX"}, photometric="minisblack")
    predict(separating[1], [tmp_path / "movie.ome.tif"], tmp_path / "plain", QUIET)
    rows, failures = predict_on(workers, separating[1], [tmp_path / "movie.ome.tif"], tmp_path / "shared")
    assert (len(rows), failures) == (1, {})
    assert names(tmp_path / "plain") == names(tmp_path / "shared")
    for name in ("movie.ome.tif", "movie_cells.ome.tif"):
        found = [tifffile.imread(tmp_path / kind / name) for kind in ("plain", "shared")]
        assert found[0].shape == frames.shape
        np.testing.assert_array_equal(*found)
    assert (tmp_path / "plain" / "cells.csv").read_bytes() == (tmp_path / "shared" / "cells.csv").read_bytes()


@pytest.mark.slow
def test_bands_of_a_mosaic_by_several_workers(workers, separating, many, tmp_path):
    label = np.tile(some_cells(seed=3), (24, 3))
    large = tmp_path / "large.tif"
    tifffile.imwrite(large, picture_of(label), tile=(256, 256))
    single = many / "test_00.tif"
    settings = {"tiling_min_megapixels": 0.5}
    predict(separating[1], [large, single], tmp_path / "plain", {**QUIET, **settings})
    rows, failures = predict_on(workers, separating[1], [large, single], tmp_path / "shared", **settings)
    assert failures == {}
    assert {row["image"] for row in rows} == {"large", "test_00"}
    files = [
        "cells.csv",
        "cells.json",
        "large.ome.tif",
        "large_cells.ome.tif",
        "summary.csv",
        "test_00.tif",
        "test_00_cells.tif",
    ]
    assert names(tmp_path / "plain") == names(tmp_path / "shared") == files
    for name in ("large.ome.tif", "large_cells.ome.tif"):
        found = [tifffile.imread(tmp_path / kind / name) for kind in ("plain", "shared")]
        assert found[0].shape == label.shape
        assert 0 < (found[0] > 0).mean() < 1
        np.testing.assert_array_equal(*found)
    assert (tmp_path / "plain" / "cells.csv").read_bytes() == (tmp_path / "shared" / "cells.csv").read_bytes()
