"""`livecell predict` with --workers, --scheduler and --resume."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.support.commands import livecell, refused
from tests.support.fresh import prepare_forks
from tests.support.schedulers import scheduling
from tests.support.worlds import write_folder

QUIET = ("--set", "show_progress=false")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("many"), train=0, test=24) / "test" / "images"


def inodes(folder):
    return {path.name: path.stat().st_ino for path in folder.glob("*.tif")}


def read_names(folder):
    with open(folder / "summary.csv", encoding="utf-8", newline="") as stream:
        return [row["image"] for row in csv.DictReader(stream)]


def when_begun(output, action):
    """Do something as soon as the first mask is there."""

    def watch():
        while not inodes(output):
            time.sleep(0.002)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_workers_of_this_machine(trained, many, tmp_path):
    prepare_forks()
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    outcome = livecell("predict", trained[1], many, bad, "-o", tmp_path / "masks", "--workers", 2, *QUIET)
    assert outcome.code == 3
    assert outcome.out == f"{tmp_path / 'masks'}: 24 masks and summary.csv\n"
    told, named, count = outcome.err.splitlines()
    assert re.fullmatch(r"2 workers, 1 threads? each, dashboard http://127\.0\.0\.1:\d+/status", told)
    assert named.startswith(f"error: {bad}: ")
    assert count == "1 of 25 images have no mask"
    again = livecell("predict", trained[1], many, "-o", tmp_path / "masks", "--workers", 2, *QUIET)
    refused(again, "already exists; name another output folder or use --overwrite")


@pytest.mark.slow
def test_a_lost_scheduler_and_the_resumed_run_without_it(trained, many, tmp_path):
    output = tmp_path / "masks"
    with scheduling(tmp_path) as (address, scheduler):
        for _ in range(100):  # it takes a second or so to listen
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=1):
                break
            time.sleep(0.2)
        killer = when_begun(output, scheduler.kill)
        start = time.monotonic()
        outcome = livecell("predict", trained[1], many, "-o", output, "--scheduler", address, *QUIET, "--set", "tta_views=8")
        killer.join()
        assert time.monotonic() - start < 60
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1].startswith(f"error: {address}: the scheduler must run until the end, it has stopped")
    before = inodes(output)
    assert 0 < len(before) < 24
    assert not (output / "summary.csv").exists()

    command = ("predict", trained[1], many, "-o", output, *QUIET, "--set", "tta_views=8")
    refused(livecell(*command), "holds an unfinished prediction; resume it by --resume, or start again by --overwrite")
    refused(livecell(*command, "--resume", "--set", "threshold=0.6"), "a prediction must resume with the same threshold")
    resumed = livecell(*command, "--resume")
    assert (resumed.code, resumed.err) == (0, "")
    assert read_names(output) == sorted(path.stem for path in many.iterdir())
    after = inodes(output)
    assert len(after) == 24
    assert {name: after[name] for name in before} == before
    assert not (output / ".unfinished").exists()

    assert livecell(*command, "--resume").code == 0  # all is done: nothing is written but the table
    assert inodes(output) == after


@pytest.mark.slow  # test_unfinished stops a run at each of its steps
def test_a_killed_run_resumes_without_workers(trained, many, tmp_path):
    output = tmp_path / "masks"
    words = ["predict", str(trained[1]), str(many), "-o", str(output), *QUIET, "--set", "tta_views=8"]
    process = subprocess.Popen([sys.executable, "-m", "livecell_monai.cli", *words], stderr=subprocess.DEVNULL)
    when_begun(output, lambda: os.kill(process.pid, signal.SIGKILL)).join()
    process.wait()
    before = inodes(output)
    assert 0 < len(before) < 24
    assert livecell(*words, "--resume").code == 0
    after = inodes(output)
    assert len(after) == 24
    assert {name: after[name] for name in before} == before
    assert read_names(output) == sorted(path.stem for path in many.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", 0), ("--workers must be 1 or more, got 0",)),
        (("--workers", 2, "--scheduler", "tcp://127.0.0.1:9"), ("--workers and --scheduler must not be given together",)),
        (("--scheduler", "tcp://127.0.0.1:9"), ("--scheduler tcp://127.0.0.1:9: a scheduler must answer",)),
    ],
)
def test_invalid_options_are_rejected_in_one_line(trained, many, tmp_path, options, words):
    refused(livecell("predict", trained[1], many, "-o", tmp_path / "masks", *options, *QUIET), *words)
    assert not (tmp_path / "masks").exists()
