"""Train, evaluate and predict: one call each, over the same files that `monai.bundle run` reads."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.open import OpenBundle, open_bundle
from livecell_monai.data.dataset.identity import hash_samples
from livecell_monai.distributed.devices import check_device_count, train_on_devices
from livecell_monai.runs.progress import close_bars
from livecell_monai.training.history import OnEpoch
from livecell_monai.training.planned import lay_recipe, open_training
from livecell_monai.training.request import TrainingRequest, ask, check_given_settings, read_request
from livecell_monai.training.run_context import RunContext
from livecell_monai.training.training_folder import TrainingFolder, check_output_folder


@dataclass(frozen=True)
class Predictions:
    """What a prediction left.

    Attributes:
        rows: the rows of `summary.csv`.
        failures: the message for each image that could not be read, by its path.
    """

    rows: list[dict[str, Any]]
    failures: dict[Path, str]


def train(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    started: float | None = None,
    unlabelled: Sequence[str | Path] = (),
    parent_run: str | None = None,
    on_epoch: OnEpoch | None = None,
    devices: int = 1,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Train on a data folder or datalist; the output folder becomes a complete bundle.

    Args:
        data: data folder or datalist.
        output: a folder that is empty or new.
        overlays: configs over those of training, later ones over earlier ones: `smoke`, or a path.
        settings: values over those of the configs.
        recipe: `planned`, what overlays and settings leave open is planned from the images; `original`, the report's own.
        started: `time.monotonic()` at the call of the program, which a budget of minutes counts from; None for now.
        unlabelled: files, folders or globs of images without labels to learn from as well.
        parent_run: id of the MLflow run that this one is nested under; None for none.
        on_epoch: called with each epoch and its metrics; what it raises ends the training. None for nothing; with several
            devices there is none.
        devices: of this machine that train together, a process for each: GPUs, or parts of the processor.
        resume: whether to go on with an unfinished training of the same question, where the folder has one.
        force: whether to do so although the data have changed.

    Returns:
        What the bundle's metadata says of the training: scores, epochs, seconds, hashes.

    Raises:
        LiveCellError: where the data or a setting breaks a rule; nothing is written then.
    """
    check_device_count(devices)
    request = ask(data, overlays, settings, recipe, unlabelled, devices)
    at = time.monotonic() if started is None else started
    context = RunContext(at, parent_run=parent_run, on_epoch=on_epoch, force=force)
    if resume and TrainingFolder(output).is_unfinished():
        return _resume(read_request(output), request, output, context)
    with lay_recipe(data, overlays, settings, recipe, devices) as (file, layers):
        return _train(request.planned(file), output, layers, replace(context, plan=None if file is None else Path(file)))


def resume(
    output: str | Path, settings: Mapping[str, Any] | None = None, started: float | None = None, force: bool = False
) -> dict[str, Any]:
    """Go on with a training that was stopped, to what it would have been without the stop.

    Args:
        output: the folder that it was begun in.
        settings: where and how loudly it goes on; others must be those that it was begun with.
        started: as for `train`; a budget of minutes holds what the training took before.
        force: whether to go on although the data have changed.

    Returns:
        As `train`.

    Raises:
        LiveCellError: where there is no such training, the data have changed, or no checkpoint is whole.
    """
    check_output_folder(output, resume=True)
    begun, given = read_request(output), settings or {}
    check_given_settings(output, given)
    context = RunContext(time.monotonic() if started is None else started, force=force)
    return _resume(begun, begun.asked_with(given), output, context)


def is_unfinished(output: str | Path) -> bool:
    """Whether a folder holds a training that can be gone on with."""
    return TrainingFolder(output).is_unfinished()


def is_finished(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    unlabelled: Sequence[str | Path] = (),
    devices: int = 1,
) -> bool:
    """Whether a folder is the complete bundle that `train` with these arguments leaves, of the same data."""
    metadata = Path(output) / "configs" / "metadata.json"
    if is_unfinished(output) or not metadata.is_file():
        return False
    training = json.loads(metadata.read_text(encoding="utf-8")).get("training", {})
    question = ask(data, overlays, settings, recipe, unlabelled, devices)
    if training.get("question_sha256") != question.digest():
        return False
    split = open_training(data, output, overlays, settings).split
    return bool(training["files_sha256"] == hash_samples([*split.train, *split.validation]))


def _resume(begun: TrainingRequest, request: TrainingRequest, output: str | Path, context: RunContext) -> dict[str, Any]:
    begun.check_same_run(Path(output), request)
    with begun.laid_out() as (file, layers):
        own = ["original"] if begun.recipe == "original" else []
        planned = request.planned(file)
        return _train(
            planned, output, [*own, *layers], replace(context, plan=None if file is None else Path(file)), resume=True
        )


def _train(
    request: TrainingRequest, output: str | Path, layers: Sequence[str], context: RunContext, resume: bool = False
) -> dict[str, Any]:
    context = replace(context, request=request)
    call = (request.data, output, layers, request.settings, request.unlabelled, resume)
    opened = open_training(*call)
    if request.devices == 1:
        return _run(opened, context)  # type: ignore[no-any-return]
    return train_on_devices(request.devices, opened, context, _train_together, call, context)


def _train_together(call: tuple[Any, ...], context: RunContext) -> None:
    """What each of several processes does."""
    _run(open_training(*(*call, "multi_gpu_train")), context)


def evaluate(
    bundle: str | Path,
    data: str | Path,
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a trained bundle on labelled test images, on their original grid.

    Args:
        bundle: the folder that training left.
        data: data folder or datalist with labelled test images.
        output: where `scores.csv` and `scores.json` go.
        settings: values over those of the bundle.
        overwrite: whether scores of an earlier run may be written over.

    Returns:
        What `scores.json` holds.

    Raises:
        LiveCellError: where the bundle, the data or a setting breaks a rule; nothing is written then.
    """
    paths = {"dataset_dir": str(Path(data).resolve()), "output_dir": str(Path(output).resolve())}
    all_settings = {**(settings or {}), **({"overwrite": True} if overwrite else {})}
    opened = open_bundle(bundle, ["inference", "evaluate"], all_settings, paths, run_id="evaluating")
    _run(opened)
    summary: dict[str, Any] = opened.writer.summary
    return summary


def predict(
    bundle: str | Path,
    images: Sequence[str | Path],
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Predictions:
    """Write a mask for every image that files, folders and globs stand for.

    Args:
        bundle: the folder that training left.
        images: files, folders or globs.
        output: where masks and `summary.csv` go.
        settings: values over those of the bundle.
        overwrite: whether results of an earlier run may be written over.
        workers: number of processes on this machine to share the work; None for this one alone.
        scheduler: address of a Dask scheduler whose workers share it; None for none.
        tell: called with a line about the workers, when they are there; None for nothing.

    Raises:
        LiveCellError: where the bundle, an input or a setting breaks a rule; an image that cannot be read is no such
            case, it is named in the result.
    """
    paths: dict[str, Any] = {
        "dataset_dir": [str(Path(image).absolute()) for image in images],
        "output_dir": str(Path(output).resolve()),
    }
    all_settings = {**(settings or {}), **({"overwrite": True} if overwrite else {})}
    opened = open_bundle(bundle, ["inference"], all_settings, paths, run_id="inferring")
    if workers is not None or scheduler is not None:
        from livecell_monai.distributed.dask import Job, run_distributed

        job = Job(str(Path(bundle).resolve()), paths["output_dir"], json.dumps(all_settings, sort_keys=True))
        failures = run_distributed(opened, job, workers, scheduler, tell)
        return Predictions(opened.writer.rows, failures)
    _run(opened)
    return Predictions(opened.writer.rows, {**opened.dataset.failures, **opened.large_images.failures})


def _run(opened: OpenBundle, context: RunContext | None = None) -> Any:
    # the engines tell of every epoch, which the progress bar says better, and of every error that they raise again
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    try:
        opened.initialize()
        if context is not None:
            context.apply(opened)
        result = opened.run()
        opened.finalize()
    finally:
        close_bars()
    return result
