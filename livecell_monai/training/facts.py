"""What is recorded of a training: its files and machine, compared on resume; parameters of the run, metadata, model card."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from livecell_monai import __version__
from livecell_monai.bundle.export import package_versions
from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.data.dataset.findings import inspect_sample
from livecell_monai.data.dataset.folder import name_data
from livecell_monai.data.dataset.identity import digest_of, hash_file, list_files, name_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.dataset.seen import SEEN_BY_START
from livecell_monai.data.dataset.split import SPLITS, Split
from livecell_monai.errors import DataError
from livecell_monai.metrics import list_cell_metrics
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.runs.ledger import find_differences
from livecell_monai.sample import Sample
from livecell_monai.training.history import History, Row

MACHINE = ("threads", "workers", "bf16", "compiled", "instructions")  # facts that the run records as parameters


@dataclass
class TrainingDataset:
    """A data folder or datalist, split, and the images for pseudo-labels."""

    dataset_dir: str
    split: Split
    unlabelled: Sequence[Item] = ()

    @property
    def name(self) -> str:
        """The name for records, without the path."""
        return name_data(self.dataset_dir)

    @property
    def samples(self) -> list[Sample]:
        """Each image of the split once, sorted by name."""
        both = {sample.name: sample for sample in (*self.split.train, *self.split.validation)}
        return [both[name] for name in sorted(both)]

    @cached_property
    def files(self) -> dict[str, Path]:
        """Path of each file, by `role/file name`."""
        return list_files(self.samples, self.unlabelled)

    @cached_property
    def file_hashes(self) -> dict[str, str]:
        """SHA-256 of each file at the start of the training, by `role/file name`."""
        return {name: hash_file(path) for name, path in self.files.items()}

    @cached_property
    def annotated_hashes(self) -> dict[str, str]:
        """SHA-256 of the images, labels and borders of the split."""
        return {name: self.file_hashes[name] for name in list_files(self.samples)}


def describe_machine(accelerator: Accelerator) -> dict[str, Any]:
    """What the bits of the weights depend on beside data, settings and seed."""
    return {
        "threads": torch.get_num_threads(),
        "workers": 0,  # the process that trains makes its batches itself
        "processes": accelerator.processes,
        "device": accelerator.device.type,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": accelerator.bf16,
        "compiled": accelerator.compiled,
        **{f"version of {name}": version for name, version in package_versions().items()},
    }


def check_data(
    folder: Path, started: Mapping[str, str], now: Mapping[str, str], paths: Mapping[str, Path], force: bool
) -> list[str]:
    """Compare hashes of files by name: a DataError for the first that differs; with `force`, returns a text for each."""
    changes = []
    for name in find_differences(started, now):
        what = "is new" if name not in started else "is gone" if name not in now else "has changed"
        changes.append(f"{paths.get(name, name)} {what}")
    if changes and not force:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        raise DataError(
            f"{folder}: a training must resume with the same data: {changes[0]} since it was started{more}; restore the "
            "files, train into another folder, or resume all the same by --force"
        )
    return changes


def warn_of_other_machine(folder: Path, started: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Warn if the weights will not be bit-equal to those of an uninterrupted training."""
    if differences := find_differences(started, now):
        logging.getLogger(__name__).warning(
            "%s: the training resumes on another machine or setup than it was started on (%s): the weights will not be "
            "bit-equal to those of a training without interruption",
            folder,
            ", ".join(f"{name} {before} -> {after}" for name, (before, after) in differences.items()),
        )


@dataclass(frozen=True)
class TrainingResult:
    """A training after its last epoch."""

    history: History
    settings: Mapping[str, Any]  #: resolved values
    data: TrainingDataset
    accelerator: Accelerator
    seconds: float  #: duration, including the time before each interruption
    #: number of resumes, changed files, hash of the request; start and its hash, if there is one; what the weights have seen
    facts: Mapping[str, Any]

    @property
    def keeps_best(self) -> bool:
        """Whether the bundle holds the weights of the best epoch, not of the last one."""
        return bool(self.settings["checkpoint_selection"] == "best")

    @property
    def kept(self) -> Row:
        """The row of the epoch whose weights the bundle holds."""
        return self.history.best() if self.keeps_best else self.history.rows[-1]

    @property
    def shown_settings(self) -> dict[str, Any]:
        """The settings and the number of unlabelled images, for card and page."""
        return {**self.settings, "unlabelled_images": len(self.data.unlabelled)}


def list_parameters(settings: Mapping[str, Any], data: TrainingDataset, accelerator: Accelerator) -> dict[str, Any]:
    """Parameters that the tracker logs at the start of a run."""
    machine = describe_machine(accelerator)
    return {
        **settings,
        "split_used": data.split.mode,
        "computed_on": str(accelerator),
        **{name: machine[name] for name in MACHINE},
        "unlabelled_images": len(data.unlabelled),
    }


def describe_training(result: TrainingResult, weight_hashes: Mapping[str, str]) -> dict[str, Any]:
    """The entry `training` of the bundle's `metadata.json`; the hashes are those that `write_weights` returns."""
    data, kept = result.data, result.kept
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data.name,
        "data_sha256": digest_of(data.annotated_hashes),
        "files_sha256": dict(data.annotated_hashes),
        **weight_hashes,
        "split": data.split.mode,
        "leaks": data.split.leaks,
        "unlabelled_images": len(data.unlabelled),
        "epochs_run": len(result.history.rows),
        "kept_epoch": int(kept["epoch"]),
        "seconds": round(result.seconds, 1),
        "seed": result.settings["seed"],
        "computed_on": str(result.accelerator),
        "machine": describe_machine(result.accelerator),
        **result.facts,
        "validation": list_validation(kept),
        "validated_on": SPLITS[data.split.mode].measured_on,
    }


def list_validation(row: Row) -> dict[str, float]:
    """The validation scores of an epoch by the name of the metric, those of cells where they were measured."""
    names = ["iou", "accuracy", "loss", *(metric.name for metric in list_cell_metrics() if f"val_{metric.name}" in row)]
    return {name: row[f"val_{name}"] for name in names}


def describe_card(result: TrainingResult, training: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the model card, as `card.md.j2` lists them; `training` is what `describe_training` returned."""
    images = []  # whole images: (name, SHA-256, Y, X, cells, foreground)
    for sample in result.data.samples:
        found = inspect_sample(sample, "train")
        digest = result.data.annotated_hashes[name_file("image", sample, sample.image)]
        images.append((found.name, digest, *(found.size or (0, 0)), found.cells, found.foreground or 0.0))
    return {
        "name": f"livecell U-Net trained on {training['data']}",
        "version": __version__,
        "created": training["created"],
        "images": images,
        **asdict(SPLITS[training["split"]]),
        "leaking": training["leaks"],
        "seen": len(training.get(SEEN_BY_START, [])),
        "device": training["computed_on"],
        "settings": result.shown_settings,
        "versions": package_versions(),
        "is_chosen": result.keeps_best,
        "resumed": training["resumed"],
        "changes": training["data_changes"],
        "start": (training["start"], training["start_sha256"]) if "start_sha256" in training else None,
        **{key: training[key] for key in ("epochs_run", "kept_epoch", "seconds", "seed", "weights_sha256")},
        "separates": CellDecoder(result.settings["maps"]).has_map,
        "validation": training["validation"],
        "cells": None,  # before the validation images are scored
    }
