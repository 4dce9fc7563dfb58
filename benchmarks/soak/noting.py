"""Trainings without the training: what they tell their tracker, and whether the store has it, each entry once."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from livecell_monai.errors import LiveCellError
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.syncing import sync
from livecell_monai.experiments.tracking import RunTracker

METRICS = ("train_loss", "val_loss", "val_iou", "lr")
FILES = ("configs/inference.yaml", "configs/metadata.json", "docs/README.md", "models/model.pt", "LICENSE")
TOLD = "told.txt"  # what a training has told its tracker, a line for each epoch


def value_of(metric: str, epoch: int) -> float:
    """A number that tells metric and epoch."""
    return METRICS.index(metric) + epoch / 1024


def note(
    uri: str,
    folder: Path,
    experiment: str,
    epochs: int,
    pause_s: float,
    at_epoch: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Tell a tracker what a training of some epochs would; where `told.txt` has some already, go on behind them.

    Args:
        uri: of the store.
        folder: of the training.
        experiment: name of the experiment, of which this is the only run.
        epochs: in all.
        pause_s: seconds that an epoch takes.
        at_epoch: called with each epoch once it was told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = count_told(folder)
    tracker = RunTracker(uri, experiment, folder=folder)
    tracker.check()
    with tracker.start({"lr": 0.1, "filters": [4, 8]}, {"image/a.tif": "0" * 64}, "cells") as run:
        for epoch in range(max(1, done), epochs + 1):  # the last one again, as from a checkpoint
            run.log_epoch(epoch, {metric: value_of(metric, epoch) for metric in METRICS})
            if epoch > done:
                with open(folder / TOLD, "a", encoding="utf-8") as told:
                    told.write(f"{epoch}\n")
            at_epoch(epoch)
            time.sleep(pause_s)
        for name in FILES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{experiment} {name}", encoding="utf-8")
        run.log_result(folder, {"iou": value_of("val_iou", epochs)})


def drain(folder: Path) -> None:
    """Send what is left, in a process that may be killed."""
    with suppress(LiveCellError):  # the server is harmed
        list(sync(folder))


def count_told(folder: Path) -> int:
    """The epochs that a tracker has taken, as far as the training that told it lived to say so."""
    path = folder / TOLD
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def find_losses(uri: str, experiment: str, epochs: int, status: str, where: str) -> list[str]:
    """What a store lacks of a training, or has twice, a line for each.

    Args:
        uri: of the store.
        experiment: that holds the one run.
        epochs: that it must have at least.
        status: that it must have ended with; a FINISHED one must have its files.
        where: how to repeat it.
    """
    client = open_store(uri)
    found = client.get_experiment_by_name(experiment)
    runs = [] if found is None else client.search_runs([found.experiment_id])
    if len(runs) != 1:
        return [f"{where}: {len(runs)} runs instead of one"]
    (run,) = runs
    lost = [] if run.info.status == status else [f"{where}: the run is {run.info.status} instead of {status}"]
    for metric in METRICS:
        steps = Counter((one.step, one.value) for one in client.get_metric_history(run.info.run_id, metric))
        seen = Counter(step for step, _ in steps.elements())
        lost += [f"{where}: {metric} of epoch {step} is there {count} times" for step, count in seen.items() if count > 1]
        lost += [f"{where}: {metric} lacks epoch {epoch}" for epoch in range(1, epochs + 1) if epoch not in seen]
        lost += [f"{where}: {metric} of epoch {step} is wrong" for step, value in steps if value != value_of(metric, step)]
    if len(run.data.params) < 2 or len(run.inputs.dataset_inputs) != 1:
        lost.append(f"{where}: parameters or data are missing")
    if status == "FINISHED":
        there = _list_files(client, run.info.run_id, "bundle")
        lost += [f"{where}: the file {name} is missing" for name in FILES if f"bundle/{name}" not in there]
    return lost


def _list_files(client: Any, run_id: str, path: str) -> set[str]:
    files: set[str] = set()
    for entry in client.list_artifacts(run_id, path):
        files |= _list_files(client, run_id, entry.path) if entry.is_dir else {entry.path}
    return files
