"""Small trainings in processes of their own, to be killed: forked from one that has imported everything already."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

STORE = "mlflow.db"
#: what a training imports, seconds of it; this module is the first
PRELOADED = (__name__, *(f"livecell_monai.{name}" for name in ("cli", "tasks", "experiments.tracking")))
LONGEST_S = 120.0  # a training that takes longer hangs


@dataclass(frozen=True)
class Case:
    """A kind of training.

    Attributes:
        name: in a few words.
        settings: values over those of the configs.
        recipe: as for `livecell train`.
        unlabelled: whether it learns from the test images without their labels.
    """

    name: str
    settings: Mapping[str, Any]
    recipe: str = "planned"
    unlabelled: bool = False


SMALL = {
    "keep_last_state": True,  # the optimiser is compared too
    "accelerator": "cpu",
    "show_progress": False,
    "patch_size": [64, 64],
    "window": [64, 64],
    "checkpoint_selection": "best",
}
CASES = (
    Case(
        "the default recipe with images without labels",
        {**SMALL, "epochs": 5, "samples_per_epoch": 32, "batch_size": 4, "filters": [16, 32, 64], "dropout": 0.3},
        unlabelled=True,
    ),
    Case(
        "the report's recipe",
        {**SMALL, "epochs": 5, "samples_per_epoch": 16, "batch_size": 4, "filters": [8, 16, 16, 16, 64]},
        recipe="original",
    ),
)


class Nursery:
    """Starts trainings on one data set.

    Args:
        root: a folder for all of them, with the data in `data`.
        store: an empty SQLite store, which each training gets a copy of.
        method: how processes are started; `fork` where this one has done nothing in parallel yet.
        threads: that each has.
    """

    def __init__(self, root: Path, store: Path, method: str = "forkserver", threads: int = 1) -> None:
        self.root = root
        self.store = store
        self.threads = threads
        self.context: Any = get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(list(PRELOADED))
        for name in PRELOADED if method == "fork" else ():
            import_module(name)

    def start(self, case: Case, name: str, resumes: bool = False) -> "Training":
        """Start a training, or resume one, in the folder `name`."""
        place = self.root / name
        if not resumes:
            place.mkdir()
            shutil.copyfile(self.store, place / STORE)
        process = self.context.Process(target=_train, args=(self.root / "data", place, case, resumes, self.threads))
        process.start()
        return Training(process, place)

    def train(self, case: Case, name: str, resumes: bool = False) -> Path:
        """A training to its end, however it ends."""
        training = self.start(case, name, resumes)
        training.wait()
        return training.place


class Training:
    """A process that trains.

    Attributes:
        place: its working folder, with the bundle `model`, the store, and what it has said in `said`.
    """

    def __init__(self, process: Any, place: Path) -> None:
        self.process = process
        self.place = place
        self.hidden = place / "model" / ".training"

    def wait(self) -> int:
        """The exit code; one that hangs is killed."""
        self.process.join(LONGEST_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return int(self.process.exitcode)

    def wait_for(self, pattern: str) -> bool:
        """Wait until the hidden folder has a file like this, as closely as can be; False where the training ended first."""
        until = time.monotonic() + LONGEST_S
        while not (self.hidden.is_dir() and any(self.hidden.glob(pattern))):
            if not self.process.is_alive() or time.monotonic() > until:
                return False
            time.sleep(0.0005)
        return True

    def send(self, kind: signal.Signals) -> None:
        """Send a signal, where the process is still there."""
        if self.process.is_alive():
            os.kill(self.process.pid, kind)


def _train(data: Path, place: Path, case: Case, resumes: bool, threads: int) -> None:
    """What the process does: a call of the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell's background ignore it, and so do theirs
    with open(place / "said", "a", encoding="utf-8") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.chdir(place)
    import torch

    from livecell_monai import cli

    torch.set_num_threads(threads)
    settings = {**case.settings, "tracking_uri": f"sqlite:///{place / STORE}"}
    options = ["--recipe", case.recipe, *(["--unlabelled", str(data / "test" / "images")] if case.unlabelled else [])]
    options += [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    is_there = (place / "model" / ".training" / "record.json").exists()  # it may have been killed ahead of its record
    begins = ["train", str(data), "--output", "model", *options]
    sys.argv = ["livecell", *(["train", "--resume", "model"] if resumes and is_there else begins)]
    cli.main()
