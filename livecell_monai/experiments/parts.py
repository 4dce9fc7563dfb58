"""Studies by held-out images: their folder and folds, and their parts, each trained and scored once."""

import logging
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from livecell_monai.bundle.template import find_overlay, read_overlay
from livecell_monai.data.dataset.findings import check_samples
from livecell_monai.data.dataset.folder import list_samples, name_data
from livecell_monai.data.dataset.folds import Fold, FoldOptions, check_fold_cells, check_unique_names, make_folds, write_fold
from livecell_monai.data.dataset.identity import digest_of, hash_file, hash_samples
from livecell_monai.data.dataset.seen import find_seen
from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.locate import located
from livecell_monai.experiments.outbox import set_aside
from livecell_monai.experiments.tracking import PARTIAL, RunTracker, TrackedRun
from livecell_monai.runs.atomic import read_table
from livecell_monai.runs.ledger import Ledger
from livecell_monai.sample import Sample
from livecell_monai.tasks import evaluate, is_finished, is_unfinished, train
from livecell_monai.training.request import LOCAL
from livecell_monai.training.setup import RunContext, open_training, resolve_settings
from livecell_monai.training.start import find_start

#: a part must not choose by the images that it is scored on: the last epoch is kept, and no training ends early
HELD = {"checkpoint_selection": "last", "split": "auto", "patience": 10**6}


@contextmanager
def open_study(root: Path, record: str, what: str, must_match: Mapping[str, Any], wait: bool = False) -> Iterator[Ledger]:
    """Start a study in a new or empty folder, or resume the same one, and lock the folder during the block.

    Raises:
        DataError: the folder holds something else.
        SettingError: it holds another study, or another process works in it and `wait` is False.
    """
    ledger = Ledger(root, what, "name another folder", record, results=root)
    is_ours = not root.exists() or ledger.is_unfinished()
    # hidden files: the lock, a temporary record, or a file manager's
    if not is_ours and (not root.is_dir() or any(not path.name.startswith(".") for path in root.iterdir())):
        raise DataError(f"{root}: the output folder must be empty or new, it is not; name another or remove it")
    with ledger.lock(wait):
        if ledger.is_unfinished():
            ledger.check_same(must_match)
        else:
            ledger.start(must_match)
        yield ledger


def check_choosing(settings: Mapping[str, Any], held: Mapping[str, Any], what: str) -> None:
    """Reject other values than a study sets, by which a training would choose on the images that it is scored on."""
    for name, value in held.items():
        if name in settings and settings[name] != value:
            raise SettingError(
                f"setting {name} must be left as it is in {what}, got {settings[name]!r}: a training would be chosen by "
                "what it is scored on; leave it out"
            )


@dataclass(frozen=True)
class StudyRequest:
    """The data of a study and how each part is trained: arguments as for `train`, minutes and epochs of each training."""

    data: str | Path
    overlays: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = "planned"
    starts: Mapping[str, str] = field(default_factory=dict)  #: SHA-256 by name of those that were read, see `with_starts`

    def must_match(self, local: Collection[str] = LOCAL) -> dict[str, Any]:
        """The values that must be the same to resume, by name; `local` settings may change."""
        # a file by its content, which may be edited between two calls
        overlays = [hash_file(overlay) if Path(overlay).is_file() else str(overlay) for overlay in self.overlays]
        settings = {name: value for name, value in self.settings.items() if name not in local}
        # a start by its content, too: a file may be written again, and an alias of a model may move
        starts = {"start_sha256": dict(self.starts)} if self.starts else {}
        return {"recipe": self.recipe, "overlays": overlays, "settings": settings, **starts}

    def resolve(self, **held: Any) -> dict[str, Any]:
        """Every setting of a training in which these are held; a LiveCellError if one is invalid. Writes nothing."""
        return resolve_settings(self.data, self.overlays, {**self.settings, **held}, self.recipe)

    def with_starts(self, held_out: Sequence[Sample], names: Collection[str] = ()) -> Self:
        """The request with the SHA-256 of its start, with which each training must begin.

        `names` are the starts of a search, instead of the one that is set.
        Raises a SettingError if a start was trained on a held-out image.
        """
        layers = [*(["original"] if self.recipe == "original" else []), *self.overlays]
        settings = open_training(self.data, "unused", layers, self.settings).settings
        starts = {}
        for name in names or [str(settings["start"])]:
            start = find_start(name, located, settings["tracking_uri"])
            if start is None:
                continue
            starts[name] = start.sha256
            if seen := find_seen(held_out, start.seen):
                more = f" (and {len(seen) - 1} more)" if len(seen) > 1 else ""
                raise SettingError(
                    f"setting start must be weights that were not trained on held-out images, {name} was trained on "
                    f"{seen[0]}{more}; leave it out, or name another start"
                )
        return replace(self, starts=starts)


class FoldStudy:
    """A study in the folder `root` over the folds of a data set, of which the test images are not used.

    Its settings and data are checked, and nothing is written, until it is opened.

    Raises a LiveCellError if the data or a setting is invalid, or a part would choose by the images that it is scored on.
    """

    def __init__(self, request: StudyRequest, root: str | Path, folds: FoldOptions) -> None:
        self.root = Path(root)
        files = [find_overlay(overlay) for overlay in request.overlays if Path(overlay).is_file()]
        for given in (request.settings, *(read_overlay(file, ["inference", "train"]) for file in files)):
            check_choosing(given, HELD, "a study by held-out images")
        # a fold holds out whole images, so that none needs to be large enough for a strip
        self.resolved = request.resolve(**{**HELD, "split": "none"})
        samples = list_samples(request.data, "train", self.resolved["unlabelled_value"])
        self.findings = check_samples(samples, "train")
        self.seed = int(self.resolved["seed"])
        self.folds = make_folds(samples, folds.count, folds.group_pattern, self.seed)
        check_unique_names(samples)
        check_fold_cells(self.folds)
        self.request = request.with_starts([sample for fold in self.folds for sample in fold.held_out])
        self.hashes = hash_samples(samples)

    @contextmanager
    def open(
        self, record: str, what: str, options: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Iterator[tuple[Ledger, TrackedRun]]:
        """Start or resume the study and its run during the block, see `open_study`; `options` must match, too."""
        held = {fold.name: [sample.name for sample in fold.held_out] for fold in self.folds}
        must_match = {"data_sha256": digest_of(self.hashes), "folds": held, **options, **self.request.must_match()}
        tracker = RunTracker.of(self.resolved, self.root)
        tracker.check()
        logged = {"recipe": self.request.recipe, **parameters, "number_of_folds": len(self.folds), **self.request.settings}
        with (
            open_study(self.root, record, what, must_match) as ledger,
            tracker.start(logged, self.hashes, name_data(self.request.data), ledger.read().get("run_id")) as run,
        ):
            ledger.update(run_id=run.run_id)
            yield ledger, run


def run_part(fold: Fold, root: Path, request: StudyRequest, run: TrackedRun, keeps_weights: bool = True) -> None:
    """Train and score a part of a study in `root` unless an earlier call has done it; `run` is the parent of its run.

    Without `keeps_weights` they are removed after the scoring, and not sent to MLflow.
    """
    if (root / fold.name).is_dir():
        logging.getLogger(__name__).info("%s exists already", fold.name)
        return
    datalist = write_fold(root / f"{fold.name}.json", fold)
    settings = {**request.settings, **HELD}
    partial = train_part(replace(request, data=datalist, settings=settings), root, fold.name, run, keeps_weights)
    shown = {"show_progress": settings.get("show_progress", True)}
    evaluate(partial, datalist, partial / "evaluation", shown, overwrite=True)  # an earlier scoring may have been killed
    part = partial.rename(root / fold.name)
    if not keeps_weights:
        shutil.rmtree(part / "models")


def train_part(request: StudyRequest, root: Path, name: str, run: TrackedRun, sends_weights: bool = True) -> Path:
    """Train or resume a part of a study in `root` unless it is trained, with the data and settings of its own request.

    With `sends_weights` MLflow gets them. The files of a part that cannot be resumed are kept. Returns the folder of the
    bundle, which is not renamed yet.
    """
    partial = root / f"{name}{PARTIAL}"
    if is_finished(request.data, partial, request.overlays, request.settings, request.recipe):
        return partial
    run.end_nested(name)
    if not is_unfinished(partial):
        set_aside(partial, root)
        shutil.rmtree(partial, ignore_errors=True)
    context = RunContext(
        time.monotonic(), run.run_id or None, resume=True, sends_weights=sends_weights, starts=tuple(request.starts.values())
    )
    settings = {**request.settings, **run.nest(name)}
    train(request.data, partial, request.overlays, settings, request.recipe, context=context)
    return partial


def read_rows(root: Path, folds: Iterable[Fold]) -> list[dict[str, Any]]:
    """The rows of `scores.csv` of every part, with its name as `fold` and the image's group."""
    rows: list[dict[str, Any]] = []
    for fold in folds:
        groups = {sample.name: sample.name if sample.group is None else sample.group for sample in fold.held_out}
        scores = read_table(root / fold.name / "evaluation" / "scores.csv")
        rows += [{"fold": fold.name, "group": groups[row["image"]], **row} for row in scores]
    return rows
