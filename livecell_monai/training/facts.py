"""What a bundle records of its training: parameters of the run, metadata and model card."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from livecell_monai import __version__
from livecell_monai.bundle.export import package_versions
from livecell_monai.data.dataset.findings import inspect_sample
from livecell_monai.data.dataset.identity import digest_of, name_file
from livecell_monai.data.dataset.split_descriptions import SPLITS
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training.changes import describe_machine
from livecell_monai.training.dataset import TrainingDataset
from livecell_monai.training.history import History, Row

MACHINE = ("threads", "workers", "bf16", "compiled", "instructions")  # facts that the run records as parameters


@dataclass(frozen=True)
class TrainingResult:
    """A training after its last epoch.

    Attributes:
        history: one row for each epoch.
        settings: resolved value of every setting.
        data: the files that it learned from.
        accelerator: where it ran.
        seconds: duration, including the time before each interruption.
        resume_facts: number of resumes, changed files, hash of the request.
    """

    history: History
    settings: Mapping[str, Any]
    data: TrainingDataset
    accelerator: Accelerator
    seconds: float
    resume_facts: Mapping[str, Any]

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
    """The entry `training` of the bundle's `metadata.json`.

    Args:
        result: the finished training.
        weight_hashes: SHA-256 of the weights, as `write_plain_weights` returns them.
    """
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
        **result.resume_facts,
        "validation": {name: kept[f"val_{name}"] for name in ("iou", "accuracy", "loss")},
        "validated_on": SPLITS[data.split.mode].measured_on,
    }


def describe_card(result: TrainingResult, training: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the model card, as `card.md.j2` lists them.

    Args:
        result: the finished training.
        training: what `describe_training` returned.
    """
    return {
        "name": f"livecell U-Net trained on {training['data']}",
        "version": __version__,
        "created": training["created"],
        "images": _list_images(result.data),
        **asdict(SPLITS[training["split"]]),
        "leaking": training["leaks"],
        "device": training["computed_on"],
        "settings": result.shown_settings,
        "versions": package_versions(),
        "is_chosen": result.keeps_best,
        "resumed": training["resumed"],
        "changes": training["data_changes"],
        **{key: training[key] for key in ("epochs_run", "kept_epoch", "seconds", "seed", "weights_sha256")},
        "validation": training["validation"],
    }


def _list_images(data: TrainingDataset) -> list[tuple[Any, ...]]:
    """(name, SHA-256, Y, X, cells, foreground) of each image, whole."""
    rows = []
    for sample in data.samples:
        found = inspect_sample(sample, "train")
        digest = data.annotated_hashes[name_file("image", sample, sample.image)]
        rows.append((found.name, digest, *(found.size or (0, 0)), found.cells, found.foreground or 0.0))
    return rows
