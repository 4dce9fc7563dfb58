"""What each part of the pretraining brings: short pretrainings of as many steps, scored on annotated training images.

Run: `python benchmarks/pretraining.py T98G DSB2018 [--steps N] [--samples N] [--seeds S ...] [--only NAME ...]`. Each start
is scored without annotation on the training images of T98G, and on every second one of DSB2018 but the three with most
cells; and after a short training, of T98G on each image by the other two, of DSB2018 by these three. Test images are not
read. One thread and a fixed number of steps: what else the machine does changes nothing but the time.
"""

import argparse
import json
import logging
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tifffile
import torch
from ablation import QUIET, write_fold
from page import write_section

from livecell_monai.bundle.start import write_start_bundle
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.stream.ranges import DOMAINS
from livecell_monai.network.start import write_start
from livecell_monai.sample import Sample
from livecell_monai.tasks import evaluate, train
from livecell_monai.training.pretraining import Pretraining, PretrainingRequest

TITLE = "What each part brings: in the pretraining"
MOST = 3  #: images of DSB2018 that are trained on
DEFAULT, LAST = "the default", "no averaged weights"
#: options of the pretraining by row; `LAST` are the last weights of `DEFAULT`
CHANGES: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    LAST: {},
    **{f"without {name}": {"leave_out": (name,)} for name in DOMAINS},
    **{f"real nuclei in {share:.0%} of the patches": {"share": share} for share in (0.2, 0.5)},
}
Scores = dict[str, tuple[float, float]]  #: IoU and AP50 by what was scored


def list_folds(t98g: Path, dsb2018: Path, folder: Path) -> dict[str, Path]:
    """Datalists by name: those to score without annotation have no training image that counts."""
    samples, nuclei = list_samples(t98g, "train"), list_samples(dsb2018, "train")
    folds = {
        sample.name: write_fold(samples, [number], folder / f"{sample.name}.json") for number, sample in enumerate(samples)
    }
    most = sorted(range(len(nuclei)), key=lambda number: -_count_cells(nuclei[number]))[:MOST]
    others = [number for number in range(len(nuclei)) if number not in most]
    few = [nuclei[number] for number in (*most, *others[::2])]
    return {**folds, "nuclei": write_fold(few, list(range(MOST, len(few))), folder / "nuclei.json")}


def _count_cells(sample: Sample) -> int:
    assert sample.label is not None
    return len(np.unique(tifffile.imread(sample.label))) - 1


def pretrain(name: str, seed: int, steps: int, real: Path, output: Path) -> None:
    """Write the start of a row, and beside it the weights that are not averaged."""
    change = dict(CHANGES[name])
    data = (str(real),) if "share" in change else ()
    run = Pretraining(PretrainingRequest(output, steps=steps, seed=seed, data=data, workers=0, **change))
    averaged = run.run()
    last = {name: value.detach().cpu() for name, value in run.network.state_dict().items()}
    write_start(last_of(output), replace(averaged, weights=last), {})


def last_of(output: Path) -> Path:
    """The file of the weights that are not averaged."""
    return output.with_name(f"last_{output.name}")


def score(start: Path, folds: Mapping[str, Path], samples: int, folder: Path) -> Scores:
    """The scores of a start without annotation, and after a training of so many samples."""
    found: Scores = {}
    bundle = folder / "model"
    for name, data in folds.items():
        for trained in (False, True)[: 1 + (samples > 0)]:
            shutil.rmtree(bundle, ignore_errors=True)
            if trained:
                train(data, bundle, settings={**QUIET, "start": str(start), "epochs": 2, "samples_per_epoch": samples // 2})
            else:
                bundle.mkdir()
                with patch("livecell_monai.bundle.start.find_shipped_start", lambda: start):
                    write_start_bundle(bundle)
            scored = evaluate(bundle, data, folder / "scores", {"show_progress": False}, overwrite=True)
            found[f"{name}{', trained' if trained else ''}"] = (scored["iou"]["mean"], scored["ap50"]["mean"])
    return found


def summarise(found: Sequence[Scores]) -> dict[str, tuple[float, float]]:
    """The means over seeds, those of T98G over its images too."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for scores in found:
        for name, pair in scores.items():
            kind = name if name.startswith("nuclei") else f"T98G{name[len(name.split(', ')[0]) :]}"
            groups.setdefault(kind, []).append(pair)
    return {kind: tuple(map(statistics.mean, zip(*pairs, strict=True))) for kind, pairs in groups.items()}


def main() -> None:
    """Run the rows, seed by seed, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("t98g", type=Path)
    parser.add_argument("dsb2018", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--samples", type=int, default=600, help="of the trainings; 0 for none")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--only", nargs="*", choices=list(CHANGES))
    parser.add_argument("--keep", type=Path, help="JSON file of scores: rows in it are not run again, new ones are added")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    found: dict[str, Scores] = json.loads(asked.keep.read_text()) if asked.keep and asked.keep.is_file() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folds = list_folds(asked.t98g, asked.dsb2018, folder)
        for seed in asked.seeds:
            for row in [row for row in CHANGES if not asked.only or row in asked.only]:
                key = f"{row}, {asked.steps} steps, {asked.samples} samples, seed {seed}"
                if key in found:
                    continue
                output = folder / f"start_{seed}.safetensors"
                if row != LAST:
                    pretrain(row, seed, asked.steps, asked.dsb2018, output)
                elif not last_of(output).is_file():
                    pretrain(DEFAULT, seed, asked.steps, asked.dsb2018, output)
                found[key] = score(last_of(output) if row == LAST else output, folds, asked.samples, folder)
                print(key, json.dumps(summarise([found[key]])), flush=True)
                if asked.keep:
                    asked.keep.write_text(json.dumps(found))
    write_rows(found, asked)


def write_rows(found: Mapping[str, Scores], asked: argparse.Namespace) -> None:
    """Write the section: a row for each change, its means over the seeds that were run."""
    lines: list[str] = []
    for row, change in CHANGES.items():
        every = [
            scores
            for key, scores in found.items()
            if key.startswith(f"{row}, {asked.steps} steps, {asked.samples} samples, ")
        ]
        if not every:
            continue
        means = summarise(every)
        if not lines:
            lines = [f"| pretraining | seeds | {' | '.join(means)} |", "| --- " * (2 + len(means)) + "|"]
        has_seen = "share" in change  # the nuclei that are scored
        cells = ["" if has_seen and "nuclei" in name else f"{iou:.3f} / {ap50:.3f}" for name, (iou, ap50) in means.items()]
        lines.append(f"| {' | '.join([row, str(len(every)), *cells])} |")
    trained = f"; trainings of {asked.samples:,} samples" if asked.samples else ""
    text = f"{asked.steps:,} steps of 16 patches{trained}. IoU / AP50.\n\n" + "\n".join(lines)
    command = "python benchmarks/pretraining.py $LIVECELL_DATA/t98g $LIVECELL_DATA/dsb2018"
    seeds = " ".join(map(str, asked.seeds))
    write_section(TITLE, f"{command} --steps {asked.steps} --samples {asked.samples} --seeds {seeds}", text)


if __name__ == "__main__":
    main()
