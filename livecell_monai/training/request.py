"""The request of a training: a call of `train` in full, so that `--resume` can repeat it without the files it named."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.template import find_overlay
from livecell_monai.errors import SettingError
from livecell_monai.runs.ledger import STARTED_WITH, check_same
from livecell_monai.training.training_folder import training_ledger

#: settings that say where and how loudly a training goes, not what it is
LOCAL = ("show_progress", "track", "tracking_uri", "experiment", "run_name")


@dataclass(frozen=True)
class TrainingRequest:
    """A call of `train`.

    Attributes:
        data: path of the data folder or datalist.
        recipe: `planned` or `original`.
        settings: values over those of configs and overlays.
        overlays: each with its name and its text, later ones over earlier ones.
        unlabelled: paths of images without labels.
        devices: number of processes.
        plan: text of the plan that was made; None where there was none.
    """

    data: str
    recipe: str = "planned"
    settings: Mapping[str, Any] = field(default_factory=dict)
    overlays: tuple[tuple[str, str], ...] = ()
    unlabelled: tuple[str, ...] = ()
    devices: int = 1
    plan: str | None = None

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> "TrainingRequest":
        """The request that `to_json` gave."""
        overlays = tuple((name, text) for name, text in read["overlays"])
        return cls(**{**read, "overlays": overlays, "unlabelled": tuple(read["unlabelled"])})

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def digest(self) -> str:
        """SHA-256 of what must match; not of where the data lie and what was planned from them."""
        return hashlib.sha256(json.dumps(self.must_match(), sort_keys=True).encode()).hexdigest()

    def must_match(self) -> dict[str, Any]:
        """What must be the same on resume, by name; the overlays by their text, wherever their files lie."""
        plain = self.to_json()
        settings = {f"setting {name}": value for name, value in plain["settings"].items() if name not in LOCAL}
        parts = {name: plain[name] for name in ("recipe", "unlabelled", "devices")}
        return {**parts, "overlays": [text for _, text in self.overlays], **settings}

    def check_same(self, folder: str | Path, other: "TrainingRequest") -> None:
        """Refuse to resume the training in a folder, which was started by this request, by another one.

        Raises:
            SettingError: the first part that differs.
        """
        ledger = training_ledger(folder)
        check_same(ledger.output, ledger.what, self.must_match(), other.must_match(), ledger.remedy)

    def with_local(self, settings: Mapping[str, Any]) -> "TrainingRequest":
        """The request with other settings of where and how loudly."""
        local = {name: value for name, value in settings.items() if name in LOCAL}
        return replace(self, settings={**self.settings, **local})

    def with_plan(self, file: str | None) -> "TrainingRequest":
        """The request with the plan of a file, None for none."""
        return replace(self, plan=None if file is None else Path(file).read_text(encoding="utf-8"))

    @contextmanager
    def as_files(self) -> Iterator[tuple[str | None, list[str]]]:
        """The file of the plan, None where there was none, and those of all overlays, for the time of the block."""
        with tempfile.TemporaryDirectory() as folder:
            texts = [("plan", self.plan)] if self.plan is not None else []
            files = []
            for number, (name, text) in enumerate([*texts, *self.overlays]):
                file = Path(folder) / f"{number}_{Path(name).stem}.yaml"
                file.write_text(text, encoding="utf-8")
                files.append(str(file))
            yield (files[0] if texts else None), files


def make_request(
    data: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    unlabelled: Sequence[str | Path] = (),
    devices: int = 1,
) -> TrainingRequest:
    """The request that a call of `train` with these arguments makes, without a plan yet.

    Raises:
        LiveCellError: an overlay is not there, or images without labels are given to a recipe that takes none.
    """
    if recipe == "original" and unlabelled:
        raise SettingError("--unlabelled must be left out with the recipe original, which learns from labels alone")
    files = [(name, find_overlay(name)) for name in overlays]
    return TrainingRequest(
        data=str(Path(data).resolve()),
        recipe=recipe,
        settings=dict(settings or {}),
        overlays=tuple((name, file.read_text(encoding="utf-8")) for name, file in files),
        unlabelled=tuple(str(Path(path).absolute()) for path in unlabelled),
        devices=devices,
    )


def read_request(output_dir: str | Path) -> TrainingRequest:
    """The request of the unfinished training in a folder.

    Raises:
        SettingError: it was not started by `livecell train`, so that no request was recorded.
    """
    request = training_ledger(output_dir).read()["request"]
    if request is None:
        raise SettingError(
            f"{output_dir}: --resume must name a training that livecell train has started, this one was started by "
            "monai.bundle run; call that again with --resume true"
        )
    return TrainingRequest.from_json(request)


def check_given_settings(output_dir: str | Path, settings: Mapping[str, Any]) -> None:
    """Refuse settings that are given again with another value than the training in a folder has.

    Raises:
        SettingError: the first such one.
    """
    ledger = training_ledger(output_dir)
    given = {name: value for name, value in settings.items() if name not in LOCAL}
    ledger.check_same({**ledger.read()[STARTED_WITH], **given})
