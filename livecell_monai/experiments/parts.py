"""One part of a study: a network trained on some samples and scored on others, done once and kept."""

import csv
import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.bundle.template import find_overlay, read_overlay
from livecell_monai.data.dataset.folds import Fold, write_fold
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.experiments.outbox import set_aside
from livecell_monai.experiments.study_folder import check_choosing
from livecell_monai.experiments.tracked_run import PARTIAL, TrackedRun
from livecell_monai.tasks import evaluate, is_unfinished, train
from livecell_monai.training.request import LOCAL
from livecell_monai.training.setup import RunContext, resolve_settings

#: what a part must not choose by, for it is what the part is scored on: the last epoch is kept, and none ends early
HELD = {"checkpoint_selection": "last", "split": "auto", "patience": 10**6}


@dataclass(frozen=True)
class Training:
    """How every part of a study is trained.

    Attributes:
        overlays: configs over those of training.
        settings: values over those of the configs.
        recipe: `planned` or `original`, as for `train`.
    """

    overlays: Sequence[str]
    settings: Mapping[str, Any]
    recipe: str

    def must_match(self) -> dict[str, Any]:
        """What must be the same for the study to resume, by name."""
        kept = {name: value for name, value in self.settings.items() if name not in LOCAL}
        # by content where it is a file: it may be edited between two calls
        overlays = [hash_file(overlay) if Path(overlay).is_file() else str(overlay) for overlay in self.overlays]
        return {"recipe": self.recipe, "overlays": overlays, "settings": kept}

    def check(self, data: str | Path) -> dict[str, Any]:
        """Refuse, before anything is written, what `train` would refuse, and settings by which what is scored would choose.

        Args:
            data: data folder or datalist.

        Returns:
            Every setting as it is resolved.

        Raises:
            LiveCellError: the first that breaks a rule.
        """
        check_choosing(self.settings, HELD, "a study by held-out images")
        for overlay in self.overlays:
            if Path(overlay).is_file():
                given = read_overlay(find_overlay(overlay), ["inference", "train"])
                check_choosing(given, HELD, "a study by held-out images")
        # a fold holds out whole images: that none can be cut into strips is no reason to refuse
        return resolve_settings(data, self.overlays, {**self.settings, **HELD, "split": "none"}, self.recipe)


def run_part(fold: Fold, root: Path, training: Training, run: TrackedRun) -> bool:
    """Train and score a part; its folder gets its name when both are done.

    Args:
        fold: what it learns from and what it is scored on.
        root: folder of the study.
        training: how.
        run: what the part's own run is nested under.

    Returns:
        Whether it was trained: False where an earlier call has done it.
    """
    if (root / fold.name).is_dir():
        logging.getLogger(__name__).info("%s exists already", fold.name)
        return False
    datalist = write_fold(root / f"{fold.name}.json", fold)
    settings = {**training.settings, **HELD}
    partial = train_part(datalist, root, fold.name, training, settings, run)
    evaluate(partial, datalist, partial / "evaluation", {"show_progress": settings.get("show_progress", True)})
    partial.rename(root / fold.name)
    return True


def train_part(
    data: str | Path, root: Path, name: str, training: Training, settings: Mapping[str, Any], run: TrackedRun
) -> Path:
    """Train a part, or resume it if it was interrupted; the folder of its bundle, which does not have its name yet.

    Args:
        data: data folder or datalist.
        root: folder of the study.
        name: of the part and of its run.
        training: how.
        settings: in place of those of the training.
        run: what the part's own run is nested under.

    Raises:
        LiveCellError: as `train`, also if an interrupted part cannot be resumed; nothing of it is lost then.
    """
    run.end_nested(name)  # what was killed without a word in an earlier call
    partial = root / f"{name}{PARTIAL}"
    if not is_unfinished(partial):
        set_aside(partial, root)
        shutil.rmtree(partial, ignore_errors=True)
    context = RunContext(time.monotonic(), run.run_id or None, resume=True)
    train(data, partial, training.overlays, {**settings, "run_name": name}, training.recipe, context=context)
    return partial


def read_rows(root: Path, folds: Iterable[Fold]) -> list[dict[str, Any]]:
    """The scores of every part's images: rows of its `scores.csv` with the part's name as `fold`, and its group."""
    rows: list[dict[str, Any]] = []
    for fold in folds:
        groups = {sample.name: sample.name if sample.group is None else sample.group for sample in fold.held_out}
        with open(root / fold.name / "evaluation" / "scores.csv", encoding="utf-8", newline="") as stream:
            rows += [{"fold": fold.name, "group": groups[row["image"]], **row} for row in csv.DictReader(stream)]
    return rows
