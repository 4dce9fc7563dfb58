"""What commands print at their end: what was reached, what is missing, and what to do next."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from livecell_monai.tasks import Predictions

SOME_FAILED = 3  # exit code if some images have no mask


def print_trained(result: Mapping[str, Any], folder: Path, shown: Sequence[str]) -> None:
    """Print what a training has reached, where it lies, the addresses of its run in MLflow, and what to do next."""
    from livecell_monai.metrics import describe_unusable

    scores = result["validation"]
    leak = "  (of a split that leaks: too good)" if result["leaks"] else ""
    leak = "  (of images that the start was trained on: too good)" if "seen_by_start" in result else leak
    cells = f", AP50 of cells {scores['ap50']:.3f}" if "ap50" in scores else ""
    print(f"validation IoU {scores['iou']:.3f}, pixel accuracy {scores['accuracy']:.3f}{cells}{leak}")
    which = f"weights of epoch {result['kept_epoch']} of {result['epochs_run']}"
    print(f"{which}, {result['seconds']:.0f} s, {result['computed_on']}; it began {_describe_start(result)}")
    print(f"bundle: {folder}, card: {folder / 'docs' / 'README.md'}, report: {folder / 'docs' / 'report.html'}")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"to hand the model over, send this folder: {folder}, {size / 1e6:.0f} MB")
    for line in shown:
        print(f"run {folder.name} in MLflow: {line}")
    unusable = describe_unusable(scores["iou"])
    if unusable is not None:
        print(f"WARNING: {unusable}; train longer (--minutes 10), and look at {folder / 'docs' / 'report.html'}")
        return
    print(f"next: livecell predict {folder} IMAGES --output MASKS; livecell compare")


def _describe_start(result: Mapping[str, Any]) -> str:
    """What a training began with, in words."""
    if "start_sha256" not in result:
        return "from random weights"
    name = "the shipped start" if result["start"] in ("auto", "start") else result["start"]
    return f"from {name} (SHA-256 {result['start_sha256'][:12]}...)"


def report_missing(result: "Predictions") -> None:
    """Print to stderr what a prediction lacks: times of movies, masks of images and frames; without masks, exit with 3."""
    from livecell_monai.outputs.summary import EMPTY_FRAMES, INTERVAL

    timeless = [row["image"] for row in result.rows if row.get(INTERVAL, 0) in (None, "") and row.get("frames")]
    if timeless:
        which = timeless[0] if len(timeless) == 1 else f"{timeless[0]} and {len(timeless) - 1} other movies"
        print(
            f"note: {which}: no time between frames is known, time_min in {timeless[0]}_frames.csv is empty; give it by "
            "--interval MINUTES",
            file=sys.stderr,
        )
    for message in result.failures.values():
        print(f"error: {message}", file=sys.stderr)
    if result.failures:
        total = len(result.rows) + len(result.failures)
        print(f"{len(result.failures)} of {total} images have no mask", file=sys.stderr)
    incomplete = [row for row in result.rows if row.get(EMPTY_FRAMES)]
    for row in incomplete:
        name, count = row["image"], row[EMPTY_FRAMES]
        print(
            f"{name}: {count} {'frame has' if count == 1 else 'frames have'} no mask, see {name}_frames.csv", file=sys.stderr
        )
    if result.failures or incomplete:
        raise typer.Exit(SOME_FAILED)
