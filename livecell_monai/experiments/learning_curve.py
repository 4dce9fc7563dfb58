"""The learning curve: how the score grows with the annotated data, and whether more annotation is likely to help."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.dataset.folds import AUTO_FOLDS, Fold, FoldOptions, crop_sample, has_cells
from livecell_monai.data.dataset.split import ENOUGH_IMAGES
from livecell_monai.errors import SettingError
from livecell_monai.experiments.cost import describe_cost
from livecell_monai.experiments.parts import FoldStudy, StudyRequest, read_rows, run_part
from livecell_monai.experiments.store import HEADLINE
from livecell_monai.metrics import label_of, list_cell_metrics, list_metrics, measure_mean
from livecell_monai.metrics.training_noise import FoldScores, measure_gain_error
from livecell_monai.runs.atomic import write_table
from livecell_monai.sample import Sample

RECORD = "learning_curve.json"
KINDS = ("auto", "area", "images")
SHARES = (0.25, 0.5, 1.0)  # of the area of each training image
LEAST = 0.2  # of IoU or AP50; networks that score less have learned next to nothing, from any amount
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

    def is_all(self, fold: Fold) -> bool:
        """Whether it is the whole of a fold's training images."""
        return self.share == 1 and self.images in (None, len(fold.train))


@dataclass(frozen=True)
class LearningCurve:
    """The rows of `curve.csv`, and whether another image is likely to help.

    The gain is the score of the last amount minus that of the one before, on the same images: mean and 95 % interval, which
    covers the noise between trainings, see `measure_gain_error`.
    """

    points: list[dict[str, Any]]
    gains: dict[str, Gain]  #: of `iou`, and of `ap50` where cells were scored
    conclusion: str  #: a line for each gain


@dataclass(frozen=True)
class Part:
    """One training: a fold with an amount of its training images, drawn for the time `draw`, from 1."""

    amount: Amount
    fold: Fold
    draw: int

    @property
    def name(self) -> str:
        """The name in folders and runs."""
        return f"{self.amount.name}_{self.fold.name}_{self.draw}"

    def take(self, study: FoldStudy) -> Fold:
        """The fold with the drawn images, or with crops, which are written."""
        amount, train = self.amount, self.fold.train
        # seeded by the name alone, so that another list of amounts changes no draw
        rng = np.random.default_rng([study.seed, *self.name.encode()])
        if amount.images is not None and not amount.is_all(self.fold):
            train = _draw_images(train, amount.images, rng)
        if amount.share < 1:
            folder = study.root / "parts" / self.name
            train = tuple(crop_sample(sample, amount.share, folder, rng, True) for sample in train)
        return replace(self.fold, name=self.name, train=train)


def learn_curve(
    request: StudyRequest,
    output: str | Path,
    by: str = "auto",
    draws: int = 1,
    folds: FoldOptions = AUTO_FOLDS,
    tell: Callable[[str], None] = lambda line: None,
) -> LearningCurve:
    """Train on growing amounts of the annotated data, and score each on held-out images.

    Args:
        request: the data and the trainings.
        output: folder for scores and page of each part, `scores.csv`, `curve.csv` and the record; new, empty, or of the
            same study. No weights are kept.
        by: `images`: 1, 2, 4 ... of them; `area`: a quarter, half and all of each; `auto`: area below seven.
        draws: number of random draws of each amount except the whole, for each fold.
        folds: how images are divided.
        tell: called with what the study will cost, before the first training.

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
    parts = list_parts(study.folds, amounts, draws)
    root, options = study.root, {"by": by, "draws": draws}
    with study.open(RECORD, "a learning curve", options, options) as (ledger, run):
        tell(describe_cost(len(parts), study.resolved, keeps_weights=False))
        rows: list[dict[str, Any]] = []
        for part in parts:
            fold = part.take(study)
            run_part(fold, root, study.request, run, keeps_weights=False)
            own = {"amount": part.amount.name, "draw": part.draw}
            rows += [{**own, **row, "fold": part.fold.name} for row in read_rows(root, [fold])]
        curve = _summarise(rows, amounts)
        write_table(root / "scores.csv", rows)
        write_table(root / "curve.csv", curve.points)
        ledger.update(gains=curve.gains, words=curve.conclusion)
        run.log_scores(_metrics(curve), (RECORD, "scores.csv", "curve.csv"))
    return curve


def list_parts(folds: Sequence[Fold], amounts: Sequence[Amount], draws: int) -> list[Part]:
    """The trainings: so many draws of each amount for each fold, one of the whole."""
    return [
        Part(amount, fold, draw)
        for amount in amounts
        for fold in folds
        for draw in range(1, (1 if amount.is_all(fold) else draws) + 1)
    ]


def list_amounts(by: str, most: int) -> list[Amount]:
    """The amounts by `images` or `area`, least first, up to all of the training images; a SettingError for one amount."""
    if by == "area":
        return [Amount(None, share) for share in SHARES]
    if most < 2:
        raise SettingError("--by must be area where one image is left to train on, got 'images'; correct it")
    counts = {2**power for power in range(most.bit_length()) if 2**power < most} | {most}
    return [Amount(count, 1.0) for count in sorted(counts)]


def conclude(gain: Gain, amounts: Sequence[Amount], score: float, label: str = "IoU") -> str:
    """Whether another image is likely to help, by the score of the last amount and its gain: mean and 95 % interval."""
    mean, interval = gain
    before, last = amounts[-2:]
    if last.images is None:
        step = f"from {before.share:.0%} to {last.share:.0%} of the annotated area"
    else:
        step = f"from {before.images} to {last.images} images"
    change = f"{step} the {label} changed by {mean:+.3f}"
    if interval is None:
        return f"{change}; cannot tell whether another one helps: two held-out images or groups are too few"
    if score < LEAST:
        return f"{change}; cannot tell whether another one helps: {score:.3f} is too low, train longer by --minutes"
    change += f" (95 %: {interval[0]:+.3f} .. {interval[1]:+.3f})"
    if interval[0] > 0 and mean >= MIN_GAIN:
        return f"{change}: another annotated image is likely to help"
    if interval[1] < MIN_GAIN:
        return f"{change}: another image of the same kind is not likely to help much"
    return f"{change}: cannot tell whether another image helps, because trainings differ by as much as the amounts do"


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
        gains[name] = _measure_gain(_list_by_fold(rows, amounts, name), float(np.mean([last[i] - before[i] for i in last])))
        prefix = "" if name == "iou" else f"{name}_"
        for point, by_image in zip(points, means, strict=True):
            mean, interval = measure_mean(list(by_image.values()))
            low, high = interval or (None, None)
            point |= {name: mean, f"{prefix}low_95": low, f"{prefix}high_95": high}
    gains = {name: gain for name, gain in gains.items() if name in CONCLUDED}
    lines = [conclude(gain, amounts, points[-1][name], label_of(name)) for name, gain in gains.items()]
    return LearningCurve(points, gains, "\n".join(lines))


def _average_draws(rows: Sequence[Mapping[str, Any]], amounts: Sequence[Amount], name: str) -> list[dict[str, float]]:
    """For each amount, a score by image, as the mean over the draws."""
    draws: dict[str, dict[str, list[float]]] = {amount.name: {} for amount in amounts}
    for row in rows:
        draws[row["amount"]].setdefault(row["image"], []).append(float(row[name]))
    return [{image: float(np.mean(values)) for image, values in draws[amount.name].items()} for amount in amounts]


def _list_by_fold(rows: Sequence[Mapping[str, Any]], amounts: Sequence[Amount], name: str) -> list[list[list[float]]]:
    """A score by fold, amount and draw, as the mean over the held-out images of the fold."""
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    for row in rows:
        by_amount = found.setdefault(row["fold"], {amount.name: {} for amount in amounts})
        by_amount[row["amount"]].setdefault(int(row["draw"]), []).append(float(row[name]))
    return [
        [[float(np.mean(values)) for values in draws.values()] for draws in by_amount.values()]
        for by_amount in found.values()
    ]


def _measure_gain(folds: Sequence[FoldScores], mean: float) -> Gain:
    error = measure_gain_error(folds)
    return mean, None if error is None else [mean - error, mean + error]


def _metrics(curve: LearningCurve) -> dict[str, float]:
    """The metrics of the run: the scores of the largest amount, and the gains."""
    names = [metric.name for metric in list_metrics() if metric.name in curve.points[-1]]
    scores = {f"learning_curve_{name}": curve.points[-1][name] for name in names}
    return (
        {HEADLINE: curve.points[-1]["iou"]}
        | scores
        | {f"learning_curve_gain_{name}": gain[0] for name, gain in curve.gains.items()}
    )
