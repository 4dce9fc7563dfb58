"""The request of a training and the folder that it writes to: recorded, checked, and read again to resume."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.template import find_overlay, read_overlay
from livecell_monai.errors import SettingError
from livecell_monai.outputs.overwriting import check_empty_folder
from livecell_monai.runs.ledger import STARTED_WITH, Ledger, check_same
from livecell_monai.settings import SETTINGS

FOLDER = ".training"  # ledger and checkpoints, until the bundle is complete
#: settings that may differ on resume: logs and tracking
LOCAL = tuple(name for name, setting in SETTINGS.items() if setting.local and not setting.recorded)


@dataclass(frozen=True)
class TrainingRequest:
    """A call of `train`, with the texts of the files it named; recorded as JSON."""

    data: str  #: path of the data folder or datalist
    recipe: str = "planned"
    settings: Mapping[str, Any] = field(default_factory=dict)
    overlays: Sequence[Sequence[str]] = ()  #: name and text of each, later ones override earlier ones
    unlabelled: Sequence[str] = ()  #: paths of images without labels
    devices: int = 1
    plan: str | None = None  #: its text; None without one

    def must_match(self) -> dict[str, Any]:
        """What must be the same on resume, by name: not the paths of data and overlays, nor the plan."""
        settings = {f"setting {name}": value for name, value in self.settings.items() if name not in LOCAL}
        parts = {"recipe": self.recipe, "unlabelled": self.unlabelled, "devices": self.devices}
        return {**parts, "overlays": [text for _, text in self.overlays], **settings}

    def digest(self) -> str:
        """SHA-256 of what must match."""
        return hashlib.sha256(json.dumps(self.must_match(), sort_keys=True).encode()).hexdigest()

    def check_same(self, folder: str | Path, other: "TrainingRequest") -> None:
        """Raise a SettingError if another request must not resume the training that this one has started in a folder."""
        ledger = training_ledger(folder)
        check_same(ledger.output, ledger.what, self.must_match(), other.must_match(), ledger.remedy)

    def with_local(self, settings: Mapping[str, Any]) -> "TrainingRequest":
        """The request with those of the settings that are `LOCAL`."""
        local = {name: value for name, value in settings.items() if name in LOCAL}
        return replace(self, settings={**self.settings, **local})

    @contextmanager
    def as_files(self) -> Iterator[list[str]]:
        """The plan, if there is one, and all overlays as temporary files."""
        texts = [*([] if self.plan is None else [("plan", self.plan)]), *self.overlays]
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for number, (name, text) in enumerate(texts):
                file = Path(folder) / f"{number}_{Path(name).stem}.yaml"
                file.write_text(text, encoding="utf-8")
                files.append(str(file))
            yield files


def make_request(
    data: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    unlabelled: Sequence[str | Path] = (),
    devices: int = 1,
) -> TrainingRequest:
    """The request of a call of `train` with these arguments, without a plan."""
    if recipe == "original" and unlabelled:
        raise SettingError("--unlabelled must be left out with the recipe original, which learns from labels alone")
    return TrainingRequest(
        data=str(Path(data).resolve()),
        recipe=recipe,
        settings=_name_start(settings or {}, overlays),
        overlays=[[name, find_overlay(name).read_text(encoding="utf-8")] for name in overlays],
        unlabelled=[str(Path(path).absolute()) for path in unlabelled],
        devices=devices,
    )


def _name_start(settings: Mapping[str, Any], overlays: Sequence[str] = ()) -> dict[str, Any]:
    """The settings, with the absolute path of a start that exists: the training may resume in another folder.

    The start may be named by an overlay, too.
    """
    layers = [*(read_overlay(find_overlay(name), ["inference", "train"]) for name in overlays), settings]
    start = next((str(layer["start"]) for layer in reversed(layers) if "start" in layer), "auto")
    is_path = start not in ("auto", "none") and Path(start).exists()
    return {**settings, "start": str(Path(start).resolve())} if is_path else dict(settings)


def training_ledger(output_dir: str | Path) -> Ledger:
    """The ledger of the training in a folder."""
    return Ledger(Path(output_dir) / FOLDER, "a training", "leave the change out, or train into another folder")


def read_request(output_dir: str | Path) -> TrainingRequest:
    """The request of the unfinished training in a folder; `monai.bundle run` records none, which is a SettingError."""
    request = training_ledger(output_dir).read()["request"]
    if request is None:
        raise SettingError(
            f"{output_dir}: --resume must name a training that livecell train has started, this one was started by "
            "monai.bundle run; call that again with --resume true"
        )
    return TrainingRequest(**request)


def check_given_settings(output_dir: str | Path, settings: Mapping[str, Any]) -> None:
    """Raise a SettingError if settings given on resume, but for `LOCAL`, differ from those of the training in a folder."""
    ledger = training_ledger(output_dir)
    given = {name: value for name, value in _name_start(settings).items() if name not in LOCAL}
    ledger.check_same({**ledger.read()[STARTED_WITH], **given})


def check_output_folder(output_dir: str | Path, resume: bool | str = False) -> Path:
    """Check that a training may write to a folder or resume in it, and return its path.

    With `resume`, there must be a training to resume; `auto` resumes if there is one, otherwise starts.
    Raises a SettingError if files would be lost, or there is nothing to resume.
    """
    folder = Path(output_dir)
    if training_ledger(folder).is_unfinished():
        if not resume:
            raise SettingError(
                f"{folder}: holds an unfinished training; resume it by livecell train --resume {folder}, or name "
                "another folder"
            )
        return folder
    if resume and resume != "auto":
        is_bundle = (folder / "configs" / "metadata.json").is_file()
        found = "this one is finished" if is_bundle else "there is none"
        raise SettingError(
            f"{folder}: --resume must name a folder with an unfinished training, {found}; train into another folder"
        )
    return check_empty_folder(folder, apart_from=FOLDER)
