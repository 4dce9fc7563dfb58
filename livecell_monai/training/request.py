"""What a training was asked for on the command line, in full, so that it can be asked again without its files."""

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
from livecell_monai.settings import select
from livecell_monai.training.changes import check_same_settings
from livecell_monai.training.training_folder import TrainingFolder


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
        """The question that `to_json` gave."""
        overlays = tuple((name, text) for name, text in read["overlays"])
        return cls(**{**read, "overlays": overlays, "unlabelled": tuple(read["unlabelled"])})

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def digest(self) -> str:
        """SHA-256 of what was asked; not of where the data lie and what was planned from them."""
        return hashlib.sha256(json.dumps(self._essence(), sort_keys=True).encode()).hexdigest()

    def check_same_run(self, folder: Path, other: "TrainingRequest") -> None:
        """Refuse another question than this one, which the folder's training was begun with.

        Raises:
            SettingError: the first part that differs.
        """
        own, now = self._essence(), other._essence()
        for name in sorted({*own, *now}):
            if own.get(name) != now.get(name):
                raise SettingError(
                    f"{folder}: a training must go on with the same {name}, begun with {_tell(own.get(name))}, now "
                    f"{_tell(now.get(name))}; call as it was begun, or train into another folder"
                )

    def asked_with(self, settings: Mapping[str, Any]) -> "TrainingRequest":
        """The question with other settings of where and how loudly."""
        recorded = select(settings, "recorded")
        free = {name: value for name, value in settings.items() if name not in recorded}
        return replace(self, settings={**self.settings, **free})

    def planned(self, file: str | None) -> "TrainingRequest":
        """The question with the plan of a file, None for none."""
        return replace(self, plan=None if file is None else Path(file).read_text(encoding="utf-8"))

    @contextmanager
    def laid_out(self) -> Iterator[tuple[str | None, list[str]]]:
        """The file of the plan, None where there was none, and those of all overlays, for the time of the block."""
        with tempfile.TemporaryDirectory() as folder:
            texts = [("plan", self.plan)] if self.plan is not None else []
            files = []
            for number, (name, text) in enumerate([*texts, *self.overlays]):
                file = Path(folder) / f"{number}_{Path(name).stem}.yaml"
                file.write_text(text, encoding="utf-8")
                files.append(str(file))
            yield (files[0] if texts else None), files

    def _essence(self) -> dict[str, Any]:
        """What makes it another question, by name; the overlays by their text, wherever their files lie."""
        plain = self.to_json()
        settings = {f"setting {name}": value for name, value in select(plain["settings"], "recorded").items()}
        parts = {name: plain[name] for name in ("recipe", "unlabelled", "devices")}
        return {**parts, "overlays": [text for _, text in self.overlays], **settings}


def ask(
    data: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    unlabelled: Sequence[str | Path] = (),
    devices: int = 1,
) -> TrainingRequest:
    """The question that a call of `train` with these arguments asks, not planned yet.

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
    """The question of the unfinished training in a folder.

    Raises:
        SettingError: it was not begun by `livecell train`, so that nothing was noted.
    """
    asked = TrainingFolder(output_dir).read()["question"]
    if asked is None:
        raise SettingError(
            f"{output_dir}: --resume must name a training that livecell train has begun, this one was begun by monai.bundle "
            "run; call that again with --resume true"
        )
    return TrainingRequest.from_json(asked)


def check_given_settings(output_dir: str | Path, settings: Mapping[str, Any]) -> None:
    """Refuse settings that are given again with another value than the training in a folder has.

    Raises:
        SettingError: the first such one.
    """
    begun = TrainingFolder(output_dir).read()["settings"]
    check_same_settings(Path(output_dir), begun, {**begun, **select(settings, "recorded")})


def _tell(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
