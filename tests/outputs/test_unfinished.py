"""A prediction resumes wherever it was killed: nothing is lost or written twice, and settings never mix."""

import json
from pathlib import Path

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.unfinished import UnfinishedRun
from livecell_monai.runs.atomic import write_table

NAMES = ["{name}.tif", "{name}_overlay.png", "summary.csv"]


@pytest.fixture
def items(tmp_path):
    images = [tmp_path / f"{name}.png" for name in ("a", "a_2", "b")]
    for image in images:
        image.write_text(image.stem)
    return [{"name": image.stem, "image": str(image)} for image in images]


def started(tmp_path, **options) -> UnfinishedRun:
    run = UnfinishedRun(tmp_path / "out", **options)
    run.start()
    return run


def write(run, item, row=None):
    """Commit the mask of one image."""
    (run.files / f"{item['name']}.tif").write_text(f"mask of {item['name']}")
    return run.commit(item["name"], item["image"], row or {"image": item["name"], "cells": 3}, NAMES[:-1])


def resumed(tmp_path, **options) -> UnfinishedRun:
    return UnfinishedRun(tmp_path / "out", overwrite=False, resume=True, **options)


def test_image_is_published_when_it_is_complete(tmp_path, items):
    run = started(tmp_path)
    (run.files / "a.tif").write_text("mask")
    (run.files / "a_2.tif").write_text("incomplete")
    assert not (run.folder / "a.tif").exists()
    run.commit("a", items[0]["image"], {"image": "a"}, NAMES[:-1])
    assert sorted(path.name for path in run.folder.iterdir()) == [".unfinished", "a.tif"]
    run.end()
    assert [path.name for path in run.folder.iterdir()] == ["a.tif"]


def test_committed_images_of_a_killed_run_are_not_missing(tmp_path, items):
    write(started(tmp_path), items[1])
    run = resumed(tmp_path)
    assert [item["name"] for item in run.missing(items, NAMES)] == ["a", "b"]
    rows = run.merge([{"image": "b"}, {"image": "a"}])
    assert [row["image"] for row in rows] == ["a", "a_2", "b"]
    assert rows[1]["cells"] == 3


def test_what_was_found_in_images_is_kept_and_what_was_given_must_match(tmp_path, items):
    settings, given = {"scale": 0.5, "threshold": 0.5, "resume": False}, {"scale": 1.0, "threshold": 0.5}
    assert started(tmp_path, settings=settings, given=given).found == {}
    run = resumed(tmp_path, settings=given)
    assert run.found == {"scale": 0.5, "threshold": 0.5}
    assert len(run.missing(items, NAMES)) == 3
    resumed(tmp_path, settings={"scale": 2.0}, given=given).start()
    assert run.found == {"scale": 2.0}
    with pytest.raises(SettingError, match=r"must resume with the same threshold: started with 0\.5, now 0\.4"):
        resumed(tmp_path, settings={**given, "threshold": 0.4}).missing(items, NAMES)


def test_killed_between_commit_and_publication(tmp_path, items):
    run = started(tmp_path)
    write(run, items[0])
    (run.folder / "a.tif").rename(run.files / "a.tif")  # as if the process was killed before this
    assert [item["name"] for item in resumed(tmp_path).missing(items, NAMES)] == ["a_2", "b"]
    assert (run.folder / "a.tif").read_text() == "mask of a"


def test_killed_before_the_commit(tmp_path, items):
    run = started(tmp_path)
    (run.files / "a.tif").write_text("half a ma")
    assert resumed(tmp_path).missing(items, NAMES) == items
    assert not (run.folder / "a.tif").exists()


def test_changed_image_or_deleted_mask_is_missing(tmp_path, items):
    run = started(tmp_path)
    for item in items:
        write(run, item)
    Path(items[0]["image"]).write_text("another image")
    (run.folder / "b.tif").unlink()
    assert [item["name"] for item in resumed(tmp_path).missing(items, NAMES)] == ["a", "b"]


def test_resumed_run_keeps_entries_and_a_new_run_does_not(tmp_path, items):
    write(started(tmp_path), items[0])
    again = resumed(tmp_path)
    again.start()
    assert [item["name"] for item in again.missing(items, NAMES)] == ["a_2", "b"]
    fresh = started(tmp_path, overwrite=True)
    assert fresh.missing(items, NAMES) == items
    assert not list(fresh.ledger.entries.iterdir())


def test_unfinished_run_needs_resume_or_overwrite(tmp_path):
    started(tmp_path)
    with pytest.raises(SettingError, match="unfinished prediction; resume it by --resume, or start again by --overwrite"):
        UnfinishedRun(tmp_path / "out", overwrite=False)


def test_different_weights_or_settings_are_rejected(tmp_path, items):
    weights = tmp_path / "model.pt"
    weights.write_text("some")
    options = {"checkpoint": weights, "settings": {"threshold": 0.5}}
    started(tmp_path, **options)
    assert resumed(tmp_path, **options).missing(items, NAMES) == items
    with pytest.raises(
        SettingError, match=r"prediction must resume with the same threshold: started with 0\.5, now 0\.6; undo"
    ):
        resumed(tmp_path, **{**options, "settings": {"threshold": 0.6}}).missing(items, NAMES)
    weights.write_text("others")
    with pytest.raises(SettingError, match="the same weights"):
        resumed(tmp_path, **options).missing(items, NAMES)


def test_finished_run_is_recognised_by_its_table(tmp_path, items):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.tif").write_text("mask")
    write_table(folder / "summary.csv", [{"image": "a", "cells": 4, "seconds": 0.5}, {"image": "a_2", "cells": 5}])
    patterns = ["{name}.tif", "summary.csv"]
    run = resumed(tmp_path)
    assert not run.resumes
    # a_2 has a row and no mask, b a mask and no row
    assert [item["name"] for item in run.missing(items, patterns)] == ["a_2", "b"]
    assert run.merge([]) == [{"image": "a", "cells": 4, "seconds": 0.5}]
    assert run.protected([*patterns, "cells.csv"]) == ["{name}.tif"]
    assert UnfinishedRun(folder, overwrite=False).protected(patterns) == patterns


def test_worker_must_see_the_folder_of_the_run(tmp_path, items):
    run = resumed(tmp_path)
    run.shared = True
    with pytest.raises(DataError, match="this worker cannot see the folder of the run"):
        run.missing(items, NAMES)


def test_damaged_records_give_one_line(tmp_path, items):
    run = started(tmp_path)
    write(run, items[0])
    row = run.ledger.entries / "a.json"
    row.write_text(json.dumps({"row": 3}))
    with pytest.raises(DataError, match=r"a\.json: the entry cannot be read; remove it"):
        resumed(tmp_path).missing(items, NAMES)
    run.ledger.record_file.write_text("{")
    with pytest.raises(DataError, match=r"record\.json: the record of a prediction cannot be read; remove"):
        resumed(tmp_path).missing(items, NAMES)


def test_abandoned_run_without_images_is_deleted(tmp_path, items):
    run = started(tmp_path)
    (run.files / "a.tif").write_text("half a ma")
    run.remove_if_empty()
    assert not list(run.folder.iterdir())
    run = started(tmp_path)
    write(run, items[0])
    run.remove_if_empty()
    assert resumed(tmp_path).resumes


def test_rows_of_finished_large_images_are_kept_in_the_order_of_the_images(tmp_path, items):
    folder = tmp_path / "out"
    folder.mkdir()
    large = [{"name": name, "image": f"{name}.tif"} for name in ("new", "done", "lost")]
    write_table(folder / "summary.csv", [{"image": name, "cells": 4} for name in ("lost", "done", "a")])
    (folder / "done.ome.tif").write_text("mask")
    patterns = ["{name}.ome.tif", "summary.csv"]
    run = resumed(tmp_path)
    run.keep_large(large, patterns)
    run.missing(items, ["{name}.tif"])
    assert run.find_large("done") == {"image": "done", "cells": 4}
    assert run.find_large("lost") is run.find_large("new") is None
    assert [row["image"] for row in run.merge([{"image": "new"}, {"image": "b"}])] == ["b", "new", "done"]
    again = UnfinishedRun(folder, overwrite=True)
    again.keep_large(large, patterns)
    assert again.find_large("done") is None
