"""A prediction that is killed anywhere resumes: nothing is lost or written twice, and two kinds of results never mix."""

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
    run.begin()
    return run


def write(run, item, row=None):
    """One image's mask, sealed and named."""
    (run.files / f"{item['name']}.tif").write_text(f"mask of {item['name']}")
    return run.complete(item["name"], item["image"], row or {"image": item["name"], "components": 3}, NAMES[:-1])


def resumed(tmp_path, **options) -> UnfinishedRun:
    return UnfinishedRun(tmp_path / "out", overwrite=False, resume=True, **options)


def test_an_image_has_its_name_when_it_is_complete(tmp_path, items):
    run = started(tmp_path)
    (run.files / "a.tif").write_text("mask")
    (run.files / "a_2.tif").write_text("another image's, not yet complete")
    assert not (run.folder / "a.tif").exists()
    run.complete("a", items[0]["image"], {"image": "a"}, NAMES[:-1])
    assert sorted(path.name for path in run.folder.iterdir()) == [".unfinished", "a.tif"]
    run.end()
    assert [path.name for path in run.folder.iterdir()] == ["a.tif"]


def test_what_a_killed_run_has_finished_is_not_missing(tmp_path, items):
    write(started(tmp_path), items[1])
    run = resumed(tmp_path)
    assert [item["name"] for item in run.missing(items, NAMES)] == ["a", "b"]
    rows = run.arrange([{"image": "b"}, {"image": "a"}])
    assert [row["image"] for row in rows] == ["a", "a_2", "b"]
    assert rows[1]["components"] == 3


def test_killed_between_the_row_and_the_name(tmp_path, items):
    run = started(tmp_path)
    write(run, items[0])
    (run.folder / "a.tif").rename(run.files / "a.tif")  # as if the process had ended ahead of this
    assert [item["name"] for item in resumed(tmp_path).missing(items, NAMES)] == ["a_2", "b"]
    assert (run.folder / "a.tif").read_text() == "mask of a"


def test_killed_ahead_of_the_row(tmp_path, items):
    run = started(tmp_path)
    (run.files / "a.tif").write_text("half a ma")
    assert resumed(tmp_path).missing(items, NAMES) == items
    assert not (run.folder / "a.tif").exists()


def test_an_image_that_has_changed_or_whose_mask_is_gone_is_missing(tmp_path, items):
    run = started(tmp_path)
    for item in items:
        write(run, item)
    Path(items[0]["image"]).write_text("another image")
    (run.folder / "b.tif").unlink()
    assert [item["name"] for item in resumed(tmp_path).missing(items, NAMES)] == ["a", "b"]


def test_resuming_keeps_what_is_there_and_a_new_run_does_not(tmp_path, items):
    write(started(tmp_path), items[0])
    again = resumed(tmp_path)
    again.begin()
    assert [item["name"] for item in again.missing(items, NAMES)] == ["a_2", "b"]
    fresh = started(tmp_path, overwrite=True)
    assert fresh.missing(items, NAMES) == items
    assert not list(fresh.ledger.entries.iterdir())


def test_without_either_option_it_is_refused(tmp_path):
    started(tmp_path)
    with pytest.raises(SettingError, match="unfinished prediction; resume it by --resume, or start again by --overwrite"):
        UnfinishedRun(tmp_path / "out", overwrite=False)


def test_other_weights_or_settings_are_refused(tmp_path, items):
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


def test_a_finished_run_is_known_by_its_table(tmp_path, items):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.tif").write_text("mask")
    write_table(folder / "summary.csv", [{"image": "a", "components": 4, "seconds": 0.5}, {"image": "a_2", "components": 5}])
    patterns = ["{name}.tif", "summary.csv"]
    run = resumed(tmp_path)
    assert not run.resumes
    # a_2 has a row and no mask, b a mask and no row
    assert [item["name"] for item in run.missing(items, patterns)] == ["a_2", "b"]
    assert run.arrange([]) == [{"image": "a", "components": 4, "seconds": 0.5}]
    assert run.guarded(patterns) == ["{name}.tif"]
    assert UnfinishedRun(folder, overwrite=False).guarded(patterns) == patterns


def test_a_part_of_a_run_must_see_its_folder(tmp_path, items):
    run = resumed(tmp_path)
    run.shared = True
    with pytest.raises(DataError, match="every worker must see the folder of the run, this one does not"):
        run.missing(items, NAMES)


def test_records_that_are_damaged_are_one_line(tmp_path, items):
    run = started(tmp_path)
    write(run, items[0])
    row = run.ledger.entries / "a.json"
    row.write_text(json.dumps({"row": 3}))
    with pytest.raises(DataError, match=r"a\.json: the entry cannot be read; remove it"):
        resumed(tmp_path).missing(items, NAMES)
    run.ledger.record_file.write_text("{")
    with pytest.raises(DataError, match=r"record\.json: the record of a prediction cannot be read; remove"):
        resumed(tmp_path).missing(items, NAMES)


def test_a_run_without_a_finished_image_leaves_no_trace_and_one_with_stays(tmp_path, items):
    run = started(tmp_path)
    (run.files / "a.tif").write_text("half a ma")
    run.remove_if_empty()
    assert not list(run.folder.iterdir())
    run = started(tmp_path)
    write(run, items[0])
    run.remove_if_empty()
    assert resumed(tmp_path).resumes
