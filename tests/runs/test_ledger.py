"""A run that is killed anywhere resumes: nothing is lost, nothing is published twice, and no two runs mix."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs import atomic
from livecell_monai.runs import ledger as module
from livecell_monai.runs.ledger import Ledger, check_same, find_differences

REMEDY = "undo the change, or start again"


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "out" / ".run", "a run", REMEDY)


@pytest.fixture
def started(ledger):
    ledger.create_folders()
    ledger.start({"seed": 1, "size": (2, 3)}, run_id=None)
    return ledger


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestRecord:
    def test_has_the_values_of_the_start_and_facts(self, started):
        started.update(run_id="42", resumed=1)
        assert started.is_unfinished()
        assert started.read() == {"started_with": {"seed": 1, "size": [2, 3]}, "run_id": "42", "resumed": 1}

    def test_without_one_there_is_no_run(self, ledger):
        assert not ledger.is_unfinished()
        ledger.create_folders()
        assert not ledger.is_unfinished()

    @pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"started_with": 3}'])
    def test_a_damaged_record_is_reported_in_one_line(self, started, text):
        started.record_file.write_text(text)
        for call in (started.read, lambda: started.check_same({}), started.update):
            with pytest.raises(DataError, match=rf"{started.record_file}: the record of a run cannot.*remove"):
                call()

    def test_a_failed_update_keeps_the_record(self, started):
        before = started.record_file.read_bytes()
        with pytest.raises(TypeError):
            started.update(run_id=object())
        assert started.record_file.read_bytes() == before
        assert names(started.path) == ["entries", "files", "record.json"]

    def test_file_name_and_folder_can_be_chosen(self, tmp_path):
        study = Ledger(tmp_path, "a study", REMEDY, "study.json", results=tmp_path)
        study.start({"seed": 1})
        assert names(tmp_path) == ["study.json"]
        with pytest.raises(SettingError, match=rf"^{tmp_path}: a study must"):
            study.check_same({"seed": 2})


class TestComparison:
    def test_compares_values_as_json_holds_them(self, started):
        started.check_same({"size": [2, 3], "seed": 1.0})

    @pytest.mark.parametrize(
        ("now", "words"),
        [
            ({"seed": 2, "size": [2, 3]}, "seed: started with 1, now 2"),
            ({"seed": 1, "size": [2, 4]}, r"size: started with \[2, 3\], now \[2, 4\]"),
            ({"seed": 1}, r"size: started with \[2, 3\], now nothing"),
            ({"seed": 1, "size": [2, 3], "lr": "x" * 99}, r'lr: started with nothing, now "x{76}\.\.\.'),
        ],
    )
    def test_names_the_first_difference(self, started, now, words):
        with pytest.raises(SettingError, match=f"^{started.output}: a run must resume with the same ({words}); {REMEDY}$"):
            started.check_same(now)

    def test_without_a_folder(self):
        with pytest.raises(SettingError, match=r"^one: a sweep must resume with the same seed: started with 1, now 2; no$"):
            check_same("one", "a sweep", {"seed": 1}, {"seed": 2}, "no")

    def test_all_differences(self):
        before, now = {"a": 1, "b": [1], "c": None}, {"b": (1,), "a": 2, "d": 0}
        assert find_differences(before, now) == {"a": (1, 2), "d": (None, 0)}

    def test_names_differences_inside_mappings(self):
        now = {"settings": {"lr": 1, "zoom": (1, 2), "more": {"x": 4}}}
        assert find_differences({"settings": {"lr": 1, "zoom": [1, 2], "more": {"x": 3}}}, now) == {
            "settings.more.x": (3, 4)
        }


class TestLock:
    def test_one_process_at_a_time(self, ledger):
        words = f"{ledger.output}: another process works in this folder; wait until it ends"
        with ledger.lock(), pytest.raises(SettingError, match=words), Ledger(ledger.path, "a run", REMEDY).lock():
            pytest.fail("two at once")
        with ledger.lock():
            pass  # free again

    def test_names_the_folder_that_is_locked(self, ledger, tmp_path):
        other = Ledger(tmp_path / "other" / ".run", "a run", REMEDY)
        with pytest.raises(SettingError, match=f"^{other.output}: another"), ledger.lock(), other.lock(), other.lock():
            pytest.fail("two at once")

    @pytest.mark.parametrize("wait", [False, True])
    def test_the_lock_of_a_killed_process_is_free(self, ledger, wait):
        code = f"""
import os
from pathlib import Path
from livecell_monai.runs.ledger import Ledger
with Ledger(Path({str(ledger.path)!r}), "a run", "").lock():
    print("locked", flush=True)
    input()
"""
        holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "locked\n"
            with pytest.raises(SettingError, match="another process works in this folder"), ledger.lock():
                pytest.fail("two at once")
        finally:
            holder.kill()
            holder.communicate()
        with ledger.lock(wait):
            pass


class TestCommit:
    def write(self, ledger, *files):
        for name in files:
            (ledger.files / name).write_text(f"text of {name}")
        ledger.commit(files[0][0], files, row={"cells": 3})

    def test_publishes_all_files_of_an_entry(self, started):
        (started.files / "b.tif").write_text("of another entry that is not complete")
        self.write(started, "a.tif", "a.png")
        assert names(started.output) == [".run", "a.png", "a.tif"]
        assert names(started.files) == ["b.tif"]
        assert started.read_entry("a") == {"files": ["a.tif", "a.png"], "row": {"cells": 3}}
        assert started.read_entry("b") is None

    def test_what_was_not_moved_is_moved_once(self, started):
        self.write(started, "a.tif", "a.png")
        (started.output / "a.png").rename(started.files / "a.png")  # as if the process had been killed between the two
        assert started.publish(["a.tif", "a.png"])
        assert names(started.output) == [".run", "a.png", "a.tif"]

    def test_reports_a_published_file_that_is_missing(self, started):
        self.write(started, "a.tif", "a.png")
        (started.output / "a.png").unlink()
        assert not started.publish(["a.tif", "a.png"])

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": 3}'])
    def test_a_damaged_entry_is_reported_in_one_line(self, started, text):
        (started.entries / "a.json").write_text(text)
        with pytest.raises(DataError, match=r"a\.json: the entry cannot be read; remove it"):
            started.read_entry("a")

    def test_a_folder_in_place_of_a_file_is_reported_in_one_line(self, started):
        (started.output / "a.tif").mkdir()
        with pytest.raises(DataError, match=r"a\.tif: cannot be written \(Is a directory\)"):
            self.write(started, "a.tif")

    def test_a_missing_folder_is_reported_in_one_line(self, started):
        (started.files / "a").mkdir()
        with pytest.raises(DataError, match=r"a/b\.tif: cannot be written \(No such file or directory\)"):
            self.write(started, "a/b.tif")

    def test_a_folder_replaces_a_folder(self, started):
        for place, text in ((started.files, "new"), (started.output, "old")):
            (place / "a.zarr").mkdir()
            (place / "a.zarr" / text).write_text(text)
        started.commit("a", ["a.zarr"])
        assert names(started.output / "a.zarr") == ["new"]
        started.end()
        assert names(started.output) == ["a.zarr"]


class TestCleanup:
    def test_nothing_is_left(self, started):
        (started.files / "half").write_text("half")
        started.end()
        assert names(started.output) == []
        started.end()  # twice does no harm

    def test_removes_only_runs_without_entries(self, started):
        started.remove_if_empty()
        assert names(started.output) == []
        started.create_folders()
        started.start({})
        started.commit("a", [])
        started.remove_if_empty()
        assert started.is_unfinished()

    def test_files_that_cannot_be_removed_do_not_mix_with_the_next_run(self, started, monkeypatch):
        started.commit("a", [])
        monkeypatch.setattr(module.shutil, "rmtree", lambda path, ignore_errors: None)
        started.end()
        assert not started.is_unfinished()
        with pytest.raises(DataError, match=r"\.run: cannot be written \(File exists\)"):
            started.create_folders()


class Killed(BaseException):
    """Ends a process like SIGKILL: no handler runs."""


class Killer:
    """Kills at the n-th change of the disk: before it or, if a file is written, in the middle of it.

    Attributes:
        steps: number of changes so far.
        moved: how often each name among the results was given.
    """

    def __init__(self, patch, output, at):
        self.steps, self.at, self.output, self.moved = 0, at, output, Counter()
        for name in ("mkdir", "unlink", "rmdir", "rename", "replace", "write_text"):
            patch.setattr(Path, name, self.wrap(getattr(Path, name)))
        patch.setattr(module.shutil, "rmtree", self.rmtree)

    def wrap(self, real):
        def step(path, *args, **options):
            self.steps += 1
            if self.at is not None and self.steps >= self.at:
                if real.__name__ == "write_text" and self.steps == self.at:
                    real(path, args[0][: len(args[0]) // 2])
                raise Killed
            result = real(path, *args, **options)
            if real.__name__ == "replace" and args[0].parent == self.output:
                self.moved[args[0].name] += 1
            return result

        return step

    def rmtree(self, path, ignore_errors):
        for one in sorted(path.rglob("*"), reverse=True):  # deepest first
            one.rmdir() if one.is_dir() else one.unlink()
        if path.exists():
            path.rmdir()


RESULTS = {"a.tif": "mask of a", "a.png": "overlay of a", "b.tif": "mask of b", "b.png": "overlay of b"}


def work(ledger):
    """A whole run, or the rest of one; its last file is a table."""
    table = ledger.output / "table"
    if table.exists():
        ledger.end()
        return
    if ledger.is_unfinished():
        ledger.check_same({"seed": 1})
    else:
        ledger.end()
        ledger.create_folders()
        ledger.start({"seed": 1})
    for name in "ab":
        entry = ledger.read_entry(name)
        if entry is None or not ledger.publish(entry["files"]):
            files = [file for file in RESULTS if file[0] == name]
            for file in files:
                (ledger.files / file).write_text(RESULTS[file])
            ledger.commit(name, files)
    with atomic.atomic_path(table) as temporary:
        temporary.write_text("a\nb\n")
    ledger.end()


def test_killed_at_each_step_it_resumes_to_the_same_results(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        whole = Killer(patch, tmp_path / "whole", None)
        work(Ledger(tmp_path / "whole" / ".run", "a run", REMEDY))
    assert set(names(tmp_path / "whole")) == {*RESULTS, "table"}
    assert set(whole.moved.values()) == {1}
    between = 0  # kills after an entry and ahead of the names of its files
    for at in range(1, whole.steps + 1):
        output = tmp_path / str(at)
        ledger = Ledger(output / ".run", "a run", REMEDY)
        with monkeypatch.context() as patch:
            killed = Killer(patch, output, at)
            with pytest.raises(Killed):
                work(ledger)
        sealed = [json.loads(entry.read_text())["files"] for entry in ledger.entries.glob("?.json")]
        between += any(not (output / file).exists() for files in sealed for file in files)
        assert all(RESULTS[path.name] == path.read_text() for path in output.glob("?.*")), "half a file has its name"
        with monkeypatch.context() as patch:
            resumed = Killer(patch, output, None)
            work(ledger)
        left = {path.name: path.read_text() for path in output.iterdir() if not path.name.startswith(".writing-")}
        assert left == {**RESULTS, "table": "a\nb\n"}, at
        assert all((killed.moved + resumed.moved)[file] == 1 for file in RESULTS), at
    assert between >= 4
    shutil.rmtree(tmp_path)
