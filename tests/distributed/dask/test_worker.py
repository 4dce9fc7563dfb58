"""A part of a prediction, in this process: what a worker runs."""

import errno
import json
import os
from pathlib import Path

import pytest

from livecell_monai.data.dataset.items import list_prediction_items
from livecell_monai.distributed.dask import Job
from livecell_monai.distributed.dask.worker import predict_images, run_task
from livecell_monai.errors import BundleError, DataError
from livecell_monai.outputs.unfinished import UnfinishedRun
from tests.support.small_training import QUIET


@pytest.fixture
def job(trained, tmp_path):
    """A job whose run is begun, with one thread: a task asks Dask for its threads elsewhere."""
    UnfinishedRun(tmp_path / "out").start()
    return Job(str(trained[1]), str(tmp_path / "out"), json.dumps(QUIET), threads=1)


def test_parts_of_any_size_one_after_the_other(job, many, tmp_path):
    items = list_prediction_items(many)
    for first, last in [(0, 1), (1, 4), (4, 6)]:
        done = run_task(job, predict_images, items[first:last])
        assert done.error is None
        assert [row["image"] for row in done.rows] == [item["name"] for item in items[first:last]]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [".unfinished", *(f"test_{number:02d}.tif" for number in range(6))]  # the table is the client's


def test_a_task_that_is_tried_again_writes_nothing_twice(job, many, tmp_path):
    items = list_prediction_items(many)[:3]
    first = run_task(job, predict_images, items[:2])
    before = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.tif")}
    again = run_task(job, predict_images, items)
    assert len(before) == 2
    assert again.rows[:2] == first.rows  # with the seconds of the first time
    assert {name: (tmp_path / "out" / name).stat().st_ino for name in before} == before


def test_an_image_that_cannot_be_read_is_a_failure_and_not_an_error(job, many, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    done = run_task(job, predict_images, [{"name": "bad", "image": str(bad)}, *list_prediction_items(many)[:1]])
    assert (done.error, len(done.rows)) == (None, 1)
    assert "bad.tif" in done.failures[bad]


def test_a_folder_in_place_of_a_result_is_a_failure_of_its_image(job, many, tmp_path):
    (tmp_path / "out" / "test_00.tif").mkdir()
    done = run_task(job, predict_images, list_prediction_items(many)[:2])
    assert done.error is None
    assert [row["image"] for row in done.rows] == ["test_01"]
    (message,) = done.failures.values()
    assert "test_00.tif: cannot be written" in message


def test_a_full_disk_ends_it_all(job, many, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    done = run_task(job, predict_images, list_prediction_items(many)[:2])
    assert isinstance(done.error, DataError)
    assert "cannot be written (No space left on device)" in str(done.error)


def test_a_bundle_or_a_run_that_is_not_seen(job, many, tmp_path):
    items = list_prediction_items(many)[:1]
    gone = Job(str(tmp_path / "none"), job.output, job.settings, threads=1)
    assert isinstance(run_task(gone, predict_images, items).error, BundleError)
    elsewhere = Job(job.bundle, str(tmp_path / "other"), job.settings, threads=1)
    assert "this worker cannot see the folder of the run" in str(run_task(elsewhere, predict_images, items).error)
    assert not (tmp_path / "other").exists()
