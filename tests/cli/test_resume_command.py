"""`livecell train --resume`: interrupted by Ctrl-C, resumed, finished; and contradicting arguments."""

import json
import sqlite3
from contextlib import contextmanager

import pytest

from tests.support.commands import livecell, refused, small
from tests.support.stopped_training import at_loss, foreground, list_differences, press_ctrl_c
from tests.support.worlds import write_folder

pytestmark = pytest.mark.usefixtures("without_figures")
OPTIONS = small(track=True, samples_per_epoch=12, epochs=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory, without_figures):
    """A working folder with an uninterrupted training."""
    root = tmp_path_factory.mktemp("place")
    data = write_folder(root / "data")
    assert livecell("train", data, "-o", root / "whole", *OPTIONS, "--set", "track=false").code == 0
    return root


def begin(place, name, *more):
    return livecell("train", place / "data", "-o", place / name, *OPTIONS, *more)


def stop(place, name, *more, at=8):
    with foreground(), at_loss(at, press_ctrl_c):
        return begin(place, name, *more)


@contextmanager
def altered(place):
    """The same label in another file."""
    label = place / "data" / "train" / "labels" / "train_01.tif"
    before = label.read_bytes()
    label.write_bytes(before + b" ")
    try:
        yield label
    finally:
        label.write_bytes(before)


def test_ctrl_c_prints_how_to_resume_and_the_run_resumes(place, store):
    where = ("--set", f"tracking_uri={store}")
    model = place / "model"
    outcome = stop(place, "model", *where)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.splitlines() == [f"to resume: livecell train --resume {model}", "interrupted"]
    refused(begin(place, "model", *where), "holds an unfinished training", f"livecell train --resume {model}")
    refused(livecell("train", "--resume", model, "--set", "lr=0.5"), "the same lr", "0.5")
    with altered(place) as label:
        refused(livecell("train", "--resume", model), f"{label} has changed since", "--force")
        outcome = livecell("train", "--resume", model, "--force", "--epochs", "2", "--set", "show_progress=false")
    assert (outcome.code, outcome.err) == (0, "")
    assert list_differences(place / "whole", model) == []  # the file is another, its picture is not
    metadata = json.loads((model / "configs" / "metadata.json").read_text())["training"]
    assert (metadata["resumed"], metadata["data_changes"]) == (1, [f"{label} has changed"])
    card = (model / "docs" / "README.md").read_text()
    assert "The training was interrupted and resumed once." in card
    assert "the data had changed by then, and the training resumed all the same:**" in card
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        runs = database.execute("select status from runs").fetchall()
        steps = database.execute("select step from metrics where key = 'val_iou' order by step").fetchall()
        often = database.execute("select max(n) from (select count(*) as n from metrics group by key, step)").fetchone()
    assert (runs, steps, often) == ([("FINISHED",)], [(1,), (2,)], (1,))


class TestAuto:
    """One command, called again and again, as a cluster does."""

    def test_starts_resumes_and_ends(self, place):
        auto = ("--set", "track=false", "--resume", "auto")
        assert stop(place, "job", *auto).code == 130
        refused(begin(place, "job", *auto, "--seed", "3"), "the same setting seed: started with nothing, now 3")
        assert begin(place, "job", *auto).code == 0
        assert list_differences(place / "whole", place / "job") == []
        written = {path: path.stat().st_mtime_ns for path in (place / "job").rglob("*")}
        outcome = begin(place, "job", *auto)
        assert outcome.code == 0
        assert outcome.out.startswith(f"{place / 'job'}: this training is finished")
        assert len(outcome.out.splitlines()) == 1
        assert {path: path.stat().st_mtime_ns for path in (place / "job").rglob("*")} == written

    def test_rejects_another_request_for_a_finished_training(self, place):
        auto = ("--set", "track=false", "--resume", "auto")
        refused(begin(place, "whole", *auto, "--seed", "3"), "must be empty or new")
        with altered(place):
            refused(begin(place, "whole", *auto), "must be empty or new")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume", "whole"], ["must name a folder with an unfinished training", "this one is finished"]),
        (["--resume", "nowhere"], ["must name a folder with an unfinished training", "there is none"]),
        (["data", "--resume", "whole"], ["DATA must be left out with --resume RUN"]),
        (["--resume", "whole", "--recipe", "original"], ["--recipe must be left out"]),
        (["--resume", "whole", "--unlabelled", "more"], ["--unlabelled must be left out"]),
        (["--resume", "auto"], ["DATA must be given"]),
        (["data"], ["--output must be given"]),
    ],
    ids=str,
)
def test_rejects_contradicting_arguments(place, monkeypatch, arguments, words):
    monkeypatch.chdir(place)
    refused(livecell("train", *arguments), *words)
