"""How the score grows with what is annotated, and whether more annotation is likely to help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.dataset.findings import check_samples
from livecell_monai.data.dataset.folder import list_samples, name_data
from livecell_monai.data.dataset.folds import AUTO_FOLDS, Fold, FoldOptions, check_unique_names, crop_sample, make_folds
from livecell_monai.data.dataset.identity import digest_of, hash_samples
from livecell_monai.data.dataset.split import ENOUGH_IMAGES
from livecell_monai.errors import SettingError
from livecell_monai.experiments.parts import Training, read_rows, run_part
from livecell_monai.experiments.study_folder import open_study
from livecell_monai.experiments.tracking import RunTracker
from livecell_monai.metrics import measure_mean
from livecell_monai.runs.atomic import write_table

RECORD = "learning_curve.json"
KINDS = ("auto", "area", "images")
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the area of each training image
ENOUGH_TO_MATTER = 0.01  # IoU; annotators differ by more


@dataclass(frozen=True)
class Amount:
    """A point on the axis of the curve.

    Attributes:
        images: number of images trained on, where whole ones are counted; else None.
        share: of the area of each training image, in (0, 1].
    """

    images: int | None
    share: float

    @property
    def name(self) -> str:
        """In the names of folders and runs, and in the table."""
        return f"area_{self.share:g}" if self.images is None else f"images_{self.images}"


@dataclass(frozen=True)
class LearningCurve:
    """What a learning curve shows.

    Attributes:
        points: of `curve.csv`, one for each amount: what it is, on how many images it was scored, mean IoU, its interval.
        gain: IoU of the last amount less that of the one before, on the same images: mean and 95 % interval (None below 3).
        words: what that says of another image.
    """

    points: list[dict[str, Any]]
    gain: tuple[float, list[float] | None]
    words: str


def learn_curve(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    by: str = "auto",
    draws: int = 2,
    folds: FoldOptions = AUTO_FOLDS,
) -> LearningCurve:
    """Train on growing parts of what is annotated, each scored on images that were held out.

    Args:
        data: data folder or datalist; its test images are not looked at.
        output: folder for a bundle by part, `scores.csv`, `curve.csv` and the record; an interrupted study in it is resumed.
        overlays: configs over those of training, as for `train`.
        settings: values over those of the configs; minutes and epochs are those of each training.
        recipe: as for `train`.
        by: `images`: 1, 2, 4 ... of them; `area`: an eighth, a quarter, half and all of each; `auto`: area below seven.
        draws: how often each amount but the whole is drawn anew for each fold.
        folds: as for `cross_validate`.

    Raises:
        LiveCellError: where the data or a setting breaks a rule, or the folder holds something else.
    """
    training = Training(overlays, dict(settings or {}), recipe)
    resolved = training.check(data)
    if by not in KINDS:
        raise SettingError(f"--by must be one of {', '.join(KINDS)}, got {by!r}; correct it")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise SettingError(f"--draws must be a whole number of 1 or more, got {draws!r}; correct it")
    samples = list_samples(data, "train")
    check_samples(samples, "train")
    seed = int(resolved["seed"])
    parts = make_folds(samples, folds.count, folds.group_pattern, seed)
    by = ("area" if len(samples) < ENOUGH_IMAGES else "images") if by == "auto" else by
    amounts = list_amounts(by, min(len(fold.train) for fold in parts))
    check_unique_names(samples)
    hashes = hash_samples(samples)
    held = {fold.name: [sample.name for sample in fold.held_out] for fold in parts}
    must_match = {"data_sha256": digest_of(hashes), "folds": held, "by": by, "draws": draws, **training.must_match()}
    tracker = RunTracker.of(resolved, output)
    tracker.check()
    root = Path(output)
    noted = {"recipe": recipe, "by": by, "draws": draws, "number_of_folds": len(parts), **training.settings}
    with (
        open_study(root, RECORD, "a learning curve", must_match) as ledger,
        tracker.start(noted, hashes, name_data(data), ledger.read().get("run_id")) as run,
    ):
        ledger.update(run_id=run.run_id)
        rows = []
        for amount in amounts:
            drawn = [part for fold in parts for part in _draw(fold, amount, draws, seed, root)]
            for part in drawn:
                run_part(part, root, training, run)
            rows += [{"amount": amount.name, **row} for row in read_rows(root, drawn)]
        curve = _summarise(rows, amounts)
        write_table(root / "scores.csv", rows)
        write_table(root / "curve.csv", curve.points)
        ledger.update(run_id=run.run_id, gain=curve.gain, words=curve.words)
        last = {"learning_curve_iou": curve.points[-1]["iou"], "learning_curve_gain": curve.gain[0]}
        run.log_scores(last, (RECORD, "scores.csv", "curve.csv"))
    return curve


def list_amounts(by: str, most: int) -> list[Amount]:
    """The amounts, least first; the last is everything.

    Args:
        by: `images` or `area`.
        most: number of images that can be trained on.

    Raises:
        SettingError: where there would be one amount only.
    """
    if by == "area":
        return [Amount(None, share) for share in SHARES]
    if most < 2:
        raise SettingError("--by must be area where one image is left to train on, got 'images'; correct it")
    counts = {2**power for power in range(most.bit_length()) if 2**power < most} | {most}
    return [Amount(count, 1.0) for count in sorted(counts)]


def _draw(fold: Fold, amount: Amount, draws: int, seed: int, root: Path) -> list[Fold]:
    """What is trained for an amount: parts of the fold's training images, each drawn anew."""
    is_all = amount.share == 1 and amount.images in (None, len(fold.train))
    drawn = []
    for draw in range(1 if is_all else draws):
        name = f"{amount.name}_{fold.name}_{draw + 1}"
        # by the name alone: an amount more or less changes no other
        rng = np.random.default_rng([seed, *name.encode()])
        train = fold.train
        if amount.images is not None and not is_all:
            train = tuple(train[i] for i in sorted(rng.choice(len(train), amount.images, replace=False)))
        if amount.share < 1:
            train = tuple(crop_sample(sample, amount.share, root / "parts" / name, rng) for sample in train)
        drawn.append(replace(fold, name=name, train=train))
    return drawn


def _summarise(rows: Sequence[Mapping[str, Any]], amounts: Sequence[Amount]) -> LearningCurve:
    means = [_by_image(rows, amount) for amount in amounts]
    points = []
    for amount, found in zip(amounts, means, strict=True):
        mean, interval = measure_mean(list(found.values()))
        low, high = (None, None) if interval is None else interval
        kind = {"share_of_area": amount.share} if amount.images is None else {"training_images": amount.images}
        points.append({**kind, "scored_images": len(found), "iou": mean, "low_95": low, "high_95": high})
    before, last = means[-2:]
    gain = measure_mean([last[name] - before[name] for name in last])
    return LearningCurve(points, gain, tell_of(gain, amounts))


def _by_image(rows: Sequence[Mapping[str, Any]], amount: Amount) -> dict[str, float]:
    """The mean IoU of each image over the draws of an amount."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["amount"] == amount.name:
            found.setdefault(row["image"], []).append(float(row["iou"]))
    return {name: float(np.mean(values)) for name, values in found.items()}


def tell_of(gain: tuple[float, list[float] | None], amounts: Sequence[Amount]) -> str:
    """Whether another image is likely to help, in words, by what the last step has brought.

    Args:
        gain: mean and 95 % interval of the difference in IoU.
        amounts: least first.
    """
    mean, interval = gain
    before, last = amounts[-2:]
    if last.images is None:
        step = f"from {before.share:.0%} to {last.share:.0%} of the annotated area"
    else:
        step = f"from {before.images} to {last.images} images"
    if interval is None:
        return (
            f"{step} the IoU changed by {mean:+.3f}; two held-out images do not tell whether another one is likely to help"
        )
    said = f"{step} the IoU changed by {mean:+.3f} (95 %: {interval[0]:+.3f} .. {interval[1]:+.3f})"
    if interval[0] > 0 and mean >= ENOUGH_TO_MATTER:
        return f"{said}: another annotated image is likely to help"
    if interval[1] < ENOUGH_TO_MATTER:
        return f"{said}: another image of the same kind is not likely to help much"
    return f"{said}: the images do not tell whether another one is likely to help"
