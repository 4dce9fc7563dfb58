"""What a start gains: the same cross-validation with and without it, compared on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.contents import read_metadata
from livecell_monai.bundle.ensemble import note_study
from livecell_monai.data.dataset.folds import AUTO_FOLDS, FoldOptions
from livecell_monai.errors import SettingError
from livecell_monai.experiments.comparison import Comparison, compare_runs
from livecell_monai.experiments.crossval import SHARED, CrossValidation, cross_validate
from livecell_monai.experiments.parts import HELD, StudyRequest

FOLDER = "without_start"  #: of the second cross-validation, in that of the first; key under `training` in metadata.json


@dataclass(frozen=True)
class StartComparison:
    """A cross-validation from random weights, and its comparison with that from the start."""

    without: CrossValidation
    comparison: Comparison  #: the reference is `without`


def check_start(request: StudyRequest) -> None:
    """Raise a SettingError if the trainings of a study would begin with random weights anyway; writes nothing."""
    if request.resolve(**{**HELD, "split": "none"})["start"] == "none":
        raise SettingError(
            "--compare-start must be left out where trainings begin from random weights, as here; livecell plan says why"
        )


def compare_start(
    request: StudyRequest, output: str | Path, result: CrossValidation, folds: FoldOptions = AUTO_FOLDS
) -> StartComparison:
    """Repeat a finished cross-validation in its folder without the start, and note the scores in its bundles.

    It is a cross-validation of its own, in the folder `without_start`, which resumes as others do. Settings that the folds
    shared for an ensemble are shared by it, too, so that the start alone differs.
    """
    root = Path(output)
    shared = [str(root / SHARED)] if (root / SHARED).is_file() else []
    again = replace(request, overlays=[*shared, *request.overlays], settings={**request.settings, "start": "none"})
    without = cross_validate(again, root / FOLDER, folds)
    for bundle in result.bundles.values():
        _note(bundle, without.summary)
    return StartComparison(without, compare_runs([str(root / FOLDER), str(root)]))


def _note(bundle: Path, summary: Mapping[str, Any]) -> None:
    """Note the scores without the start in a bundle, once."""
    if FOLDER in read_metadata(bundle)["training"]:
        return
    mean, ends = summary["iou"]["mean"], summary["iou"]["interval_95"]
    interval = "" if ends is None else f" ({ends[0]:.3f} .. {ends[1]:.3f})"
    note_study(
        bundle, {FOLDER: dict(summary)}, f"Without the start the same folds have a mean IoU of {mean:.3f}{interval}.\n"
    )
