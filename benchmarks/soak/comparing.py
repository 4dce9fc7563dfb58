"""What two trainings have left, compared to the bit."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch


def list_differences(one: Path, two: Path) -> list[str]:
    """Names of the tensors and values of two bundles' weights, optimisers and histories that are not equal to the bit."""
    left, right = (dict(_read(bundle)) for bundle in (one, two))
    return sorted(name for name in {*left, *right} if not _are_equal(left.get(name), right.get(name)))


def _read(bundle: Path) -> Iterator[tuple[str, Any]]:
    for file in ("model.pt", "last.pt"):
        if file == "last.pt" and not (bundle / "models" / file).exists():
            continue  # of a training without keep_last_state
        yield from _walk(torch.load(bundle / "models" / file, weights_only=True), file)
    (history,) = bundle.rglob("history.csv")
    yield "history", history.read_bytes()


def _walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list | tuple):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(part, f"{name}/{key}")
    else:
        yield name, value


def _are_equal(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return torch.equal(left, right)
    return bool(left == right)


def list_tracking_faults(database: Path, reference: Path) -> list[str]:
    """What is wrong with the one run that a store should hold: its end, epochs that are missing, other or there twice."""
    own, expected = _read_runs(database), _read_runs(reference)
    faults = [] if own["status"] == ["FINISHED"] else [f"runs that are {own['status']}, in place of one that is FINISHED"]
    twice = sorted({(name, step) for name, step, count in own["counts"] if count > 1})
    if twice:
        faults.append(f"{len(twice)} metrics are there twice, the first {twice[0]}")
    if own["values"] != expected["values"]:
        other = len(own["values"] ^ expected["values"])
        faults.append(f"{other} metrics are not those of the training that was never stopped")
    return faults


def _read_runs(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as database:
        counts = "select key, step, count(*) from metrics group by run_uuid, key, step"
        return {
            "status": [status for (status,) in database.execute("select status from runs where lifecycle_stage = 'active'")],
            "counts": database.execute(counts).fetchall(),
            "values": set(database.execute("select key, step, value from metrics where step > 0")),
        }
