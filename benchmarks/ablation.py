"""What each part of the recipe brings: leave some training images out, train on the others, score those left out.

Run: `python benchmarks/ablation.py DATA [--samples N] [--folds N] [--only NAME ...]`; the test images of the folder DATA are
not read. Every row is the default with one thing changed, trained on as many samples; hours for the whole table, of which
there is one for each set and number of samples.
"""

import argparse
import json
import logging
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from page import CELL_SCORES, format_cell_scores, write_section

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.metrics import label_of
from livecell_monai.sample import Sample
from livecell_monai.tasks import evaluate, train

TITLE = "What each part brings"
QUIET = {"track": False, "show_progress": False}
WORDS = "samples per training (ten minutes are 20,000 to 27,000). Each image is scored by the network that has not seen it."
PLAIN_LIGHT = {"illumination": 0.0, "shading": 0.0, "blur": 0.0, "noise": 0.0}

#: by row: settings of training, settings of scoring
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the default": ({}, {}),
    "no light fields, blur or noise": (PLAIN_LIGHT, {}),
    "light fields, blur and noise half as strong": ({"illumination": 0.25, "shading": 0.15, "blur": 0.75, "noise": 0.1}, {}),
    "light fields, blur and noise twice as strong": ({"illumination": 1.0, "shading": 0.6, "blur": 3.0, "noise": 0.4}, {}),
    "no blur": ({"blur": 0.0}, {}),
    "no blur, a quarter of the noise": ({"blur": 0.0, "noise": 0.05}, {}),
    "elastic deformation of 5 pixels": ({"elastic": 5.0}, {}),
    "zoom of 0.8 to 1.25": ({"zoom": [0.8, 1.25]}, {}),
    "grey values from 0 to 1 instead of by contrast": ({"normalise": False}, {}),
    "no grey value clipped": ({"percentiles": [0.0, 100.0]}, {}),
    "binary cross-entropy alone": ({"loss": "bce"}, {}),
    "binary cross-entropy alone, weighted": ({"loss": "bce", "pos_weight": "auto"}, {}),
    "focal loss": ({"loss": "focal"}, {}),
    "batches of 8": ({"batch_size": 8}, {}),
    "a learning rate of 0.004": ({"lr": 0.004}, {}),
    "no averaged weights": ({"ema": 0.0}, {}),
    "steps instead of rise and fall": ({"lr_schedule": "step"}, {}),
    "1.5 times as wide": ({"filters": [24, 48, 96, 192, 384]}, {}),
    "quarter resolution inside, twice as wide": ({"stem_stride": 4, "filters": [32, 64, 128, 256]}, {}),
    "no strip held out: refit on everything": ({"split": "none"}, {}),
    "8 views in prediction": ({}, {"tta_views": 8}),
    "threshold 0.4": ({}, {"threshold": 0.4}),
    "threshold 0.6": ({}, {"threshold": 0.6}),
}
#: the same for images without labels, where some are given
TAUGHT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the default": ({}, {}),
    "8 views in pseudo-labelling": ({"tta_views": 8}, {"tta_views": 1}),
    "pseudo-labels refreshed five times": ({"pseudo_label_schedule": [0.3, 0.45, 0.6, 0.75, 0.9]}, {}),
    "pseudo-label fraction 0.7": ({"pseudo_label_fraction": 0.7}, {}),
    "confidence threshold 0.5": ({"pseudo_label_confidence": 0.5}, {}),
    "confidence threshold 0.9": ({"pseudo_label_confidence": 0.9}, {}),
}


def write_fold(samples: list[Sample], left_out: list[int], path: Path) -> Path:
    """A datalist whose test images are those left out."""

    def pair(sample: Sample) -> dict[str, str]:
        return {"image": str(sample.image.resolve()), "label": str(sample.label and sample.label.resolve())}

    parts: dict[str, list[dict[str, str]]] = {"training": [], "test": []}
    for index, sample in enumerate(samples):
        parts["test" if index in left_out else "training"].append(pair(sample))
    path.write_text(json.dumps(parts))
    return path


def score(
    change: tuple[dict[str, Any], dict[str, Any]],
    samples: list[Sample],
    folds: int,
    count: int,
    folder: Path,
    unlabelled: str | None = None,
) -> list[dict[str, Any]]:
    """The scores of each fold by the network that has not seen its labels, nor its images where none are given without."""
    found = []
    for fold in range(folds):
        left_out = list(range(fold, len(samples), folds))
        data = write_fold(samples, left_out, folder / f"fold_{fold}.json")
        taught: list[str | Path] = [unlabelled, *(samples[index].image for index in left_out)] if unlabelled else []
        training = {**QUIET, "epochs": 4, "samples_per_epoch": count // 4, **change[0]}
        name = f"{fold}-{abs(hash(json.dumps(training, sort_keys=True)))}"
        if not (folder / name).exists():  # rows that differ in prediction only share their networks
            train(data, folder / name, settings=training, unlabelled=taught)
        found.append(evaluate(folder / name, data, folder / "scores", {"show_progress": False, **change[1]}, overwrite=True))
    return found


def head_of(names: Sequence[str]) -> list[str]:
    """The head of the table, of folds by name, and the line below it."""
    head = ["changed", "mean IoU", *names, *map(label_of, CELL_SCORES)]
    return [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]


def row_of(name: str, found: Sequence[dict[str, Any]]) -> str:
    """The row of a change: IoU of each fold, and the means of the scores of cells over the folds."""
    iou = [float(scored["iou"]["mean"]) for scored in found]
    return f"| {' | '.join([name, *(f'{one:.3f}' for one in (statistics.mean(iou), *iou)), *format_cell_scores(found)])} |"


def main() -> None:
    """Run the rows and write the section after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--folds", type=int, help="as many as there are images, where it is left out")
    parser.add_argument("--unlabelled", help="folder or glob of further images to learn from without labels")
    parser.add_argument("--only", nargs="*", choices=sorted({**CHANGES, **TAUGHT}))
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    samples = list_samples(asked.data, "train")
    folds = asked.folds or len(samples)
    names = [f"fold {fold + 1}" for fold in range(folds)] if asked.folds else [sample.name for sample in samples]
    lines = head_of(names)
    with tempfile.TemporaryDirectory() as folder:
        for name, change in (TAUGHT if asked.unlabelled else CHANGES).items():
            if asked.only is None or name in asked.only:
                found = score(change, samples, folds, asked.samples, Path(folder), asked.unlabelled)
                lines.append(row_of(name, found))
                print(lines[-1], flush=True)
                text = f"{asked.samples} {WORDS}\n\n" + "\n".join(lines)
                given = f"--samples {asked.samples}" + (f" --folds {folds}" if asked.folds else "")
                given += f" --unlabelled {asked.unlabelled}" if asked.unlabelled else ""
                command = f"python benchmarks/ablation.py $LIVECELL_DATA/{asked.data.name} {given}"
                with_more = " and images without labels" if asked.unlabelled else ""
                write_section(f"{TITLE}: {asked.data.name}, {asked.samples:,} samples{with_more}", command, text)


if __name__ == "__main__":
    main()
