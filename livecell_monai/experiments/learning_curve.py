"""The learning curve: how the score grows with the annotated data, and whether more annotation is likely to help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.dataset.folds import AUTO_FOLDS, Fold, FoldOptions, crop_sample, has_cells
from livecell_monai.data.dataset.split import ENOUGH_IMAGES
from livecell_monai.errors import SettingError
from livecell_monai.experiments.parts import FoldStudy, StudyRequest, read_rows, run_part
from livecell_monai.metrics import label_of, list_cell_metrics, list_metrics, measure_mean
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import Sample

RECORD = "learning_curve.json"
KINDS = ("auto", "area", "images")
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the area of each training image
MIN_GAIN = 0.01  # of IoU or AP50; annotators differ by more
CONCLUDED = ("iou", "ap50")  # scores by which another image may help

Gain = tuple[float, list[float] | None]


@dataclass(frozen=True)
class Amount:
    """An amount of training data: a number of whole images, or a share in (0, 1] of the area of each image."""

    images: int | None
    share: float

    @property
    def name(self) -> str:
        """The name in folders, runs and the table."""
        return f"area_{self.share:g}" if self.images is None else f"images_{self.images}"


@dataclass(frozen=True)
class LearningCurve:
    """The rows of `curve.csv`, and whether another image is likely to help.

    The gain is the score of the last amount minus that of the one before, on the same images: mean and 95 % interval.
    """

    points: list[dict[str, Any]]
    gains: dict[str, Gain]  #: of `iou`, and of `ap50` where cells were scored
    conclusion: str  #: a line for each gain


def learn_curve(
    request: StudyRequest, output: str | Path, by: str = "auto", draws: int = 2, folds: FoldOptions = AUTO_FOLDS
) -> LearningCurve:
    """Train on growing amounts of the annotated data, and score each on held-out images.

    Args:
        request: the data and the trainings.
        output: folder for a bundle by part, `scores.csv`, `curve.csv` and the record; new, empty, or of the same study.
        by: `images`: 1, 2, 4 ... of them; `area`: an eighth, a quarter, half and all of each; `auto`: area below seven.
        draws: number of random draws of each amount except the whole, for each fold.
        folds: how images are divided.

    Raises a LiveCellError if the data or a setting is invalid, or the folder holds something else.
    """
    if by not in KINDS:
        raise SettingError(f"--by must be one of {', '.join(KINDS)}, got {by!r}; correct it")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise SettingError(f"--draws must be a whole number of 1 or more, got {draws!r}; correct it")
    study = FoldStudy(request, output, folds)
    if by == "auto":
        by = "area" if len(study.findings) < ENOUGH_IMAGES else "images"
    amounts = list_amounts(by, min(len(fold.train) for fold in study.folds))
    root, options = study.root, {"by": by, "draws": draws}
    with study.open(RECORD, "a learning curve", options, options) as (ledger, run):
        rows = []
        for amount in amounts:
            parts = [part for fold in study.folds for part in _draw(fold, amount, draws, study)]
            for part in parts:
                run_part(part, root, request, run)
            rows += [{"amount": amount.name, **row} for row in read_rows(root, parts)]
        curve = _summarise(rows, amounts)
        write_table(root / "scores.csv", rows)
        write_table(root / "curve.csv", curve.points)
        ledger.update(gains=curve.gains, words=curve.conclusion)
        run.log_scores(_metrics(curve), (RECORD, "scores.csv", "curve.csv"))
    return curve


def list_amounts(by: str, most: int) -> list[Amount]:
    """The amounts by `images` or `area`, least first, up to all of the training images; a SettingError for one amount."""
    if by == "area":
        return [Amount(None, share) for share in SHARES]
    if most < 2:
        raise SettingError("--by must be area where one image is left to train on, got 'images'; correct it")
    counts = {2**power for power in range(most.bit_length()) if 2**power < most} | {most}
    return [Amount(count, 1.0) for count in sorted(counts)]


def conclude(gain: Gain, amounts: Sequence[Amount], label: str = "IoU") -> str:
    """Whether another image is likely to help, by the gain in a score of the last amount: mean and 95 % interval."""
    mean, interval = gain
    before, last = amounts[-2:]
    if last.images is None:
        step = f"from {before.share:.0%} to {last.share:.0%} of the annotated area"
    else:
        step = f"from {before.images} to {last.images} images"
    change = f"{step} the {label} changed by {mean:+.3f}"
    if interval is None:
        return f"{change}; two held-out images are too few to say whether another one is likely to help"
    change += f" (95 %: {interval[0]:+.3f} .. {interval[1]:+.3f})"
    if interval[0] > 0 and mean >= MIN_GAIN:
        return f"{change}: another annotated image is likely to help"
    if interval[1] < MIN_GAIN:
        return f"{change}: another image of the same kind is not likely to help much"
    return f"{change}: the images do not show whether another one is likely to help"


def _draw(fold: Fold, amount: Amount, draws: int, study: FoldStudy) -> list[Fold]:
    """The parts of one fold for an amount, each with randomly drawn training images or crops."""
    is_all = amount.share == 1 and amount.images in (None, len(fold.train))
    parts = []
    for draw in range(1 if is_all else draws):
        name = f"{amount.name}_{fold.name}_{draw + 1}"
        # seeded by the name alone, so that another list of amounts changes no draw
        rng = np.random.default_rng([study.seed, *name.encode()])
        train = fold.train
        if amount.images is not None and not is_all:
            train = _draw_images(train, amount.images, rng)
        if amount.share < 1:
            train = tuple(crop_sample(sample, amount.share, study.root / "parts" / name, rng, True) for sample in train)
        parts.append(replace(fold, name=name, train=train))
    return parts


def _draw_images(samples: Sequence[Sample], count: int, rng: np.random.Generator) -> tuple[Sample, ...]:
    """So many images, drawn again until one of them has cells."""
    while True:
        drawn = tuple(samples[i] for i in sorted(rng.choice(len(samples), count, replace=False)))
        if any(map(has_cells, drawn)):
            return drawn


def _summarise(rows: Sequence[Mapping[str, Any]], amounts: Sequence[Amount]) -> LearningCurve:
    names = ["iou", *(metric.name for metric in list_cell_metrics() if all(row.get(metric.name) for row in rows))]
    points: list[dict[str, Any]] = []
    for amount in amounts:
        kind = {"share_of_area": amount.share} if amount.images is None else {"training_images": amount.images}
        points.append({**kind, "scored_images": len({row["image"] for row in rows if row["amount"] == amount.name})})
    gains = {}
    for name in names:
        means = _average_draws(rows, amounts, name)
        before, last = means[-2:]
        gains[name] = measure_mean([last[image] - before[image] for image in last])
        prefix = "" if name == "iou" else f"{name}_"
        for point, by_image in zip(points, means, strict=True):
            mean, interval = measure_mean(list(by_image.values()))
            low, high = interval or (None, None)
            point |= {name: mean, f"{prefix}low_95": low, f"{prefix}high_95": high}
    gains = {name: gain for name, gain in gains.items() if name in CONCLUDED}
    return LearningCurve(points, gains, "\n".join(conclude(gain, amounts, label_of(name)) for name, gain in gains.items()))


def _average_draws(rows: Sequence[Mapping[str, Any]], amounts: Sequence[Amount], name: str) -> list[dict[str, float]]:
    """For each amount, a score by image, as the mean over the draws."""
    draws: dict[str, dict[str, list[float]]] = {amount.name: {} for amount in amounts}
    for row in rows:
        draws[row["amount"]].setdefault(row["image"], []).append(float(row[name]))
    return [{image: float(np.mean(values)) for image, values in draws[amount.name].items()} for amount in amounts]


def _metrics(curve: LearningCurve) -> dict[str, float]:
    """The metrics of the run: the scores of the largest amount, and the gains."""
    names = [metric.name for metric in list_metrics() if metric.name in curve.points[-1]]
    scores = {f"learning_curve_{name}": curve.points[-1][name] for name in names}
    return scores | {f"learning_curve_gain_{name}": gain[0] for name, gain in curve.gains.items()}
