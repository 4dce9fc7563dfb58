"""Train, evaluate and predict: one call each, on the configs that `monai.bundle run` reads."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ignite.engine import Events

from livecell_monai.bundle.open import OpenBundle, open_bundle
from livecell_monai.bundle.start import read_expected_diameter
from livecell_monai.data.dataset.identity import hash_samples
from livecell_monai.data.paths import describe_skipped
from livecell_monai.data.readers.read_cache import cached_reads, recent_reads
from livecell_monai.distributed.ddp import check_device_count, train_on_devices
from livecell_monai.prediction.large.selection import choose_large_images
from livecell_monai.prediction.zero_shot import fit_settings
from livecell_monai.runs.progress import close_bars
from livecell_monai.training.request import (
    TrainingRequest,
    check_given_settings,
    check_output_folder,
    make_request,
    read_request,
    training_ledger,
)
from livecell_monai.training.setup import RunContext, open_training, prepare_overlays


@dataclass(frozen=True)
class Predictions:
    """What a prediction has written, and what it could not."""

    rows: list[dict[str, Any]]  #: of `summary.csv`
    failures: dict[Path, str]  #: the reason for each image without a mask, by path
    skipped: tuple[str, ...] = ()  #: lines that name skipped files
    tables: tuple[str, ...] = ()  #: the tables in words: `12 cells (cells.csv)`, `summary.csv`


def train(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    unlabelled: Sequence[str | Path] = (),
    devices: int = 1,
    context: RunContext | None = None,
) -> dict[str, Any]:
    """Train on a data folder or datalist; the output folder becomes a complete bundle.

    Args:
        data: data folder or datalist.
        output: an empty or new folder.
        overlays: configs that override those of training, later ones override earlier ones: `smoke`, or a path.
        settings: values that override those of the configs.
        recipe: `planned`: what overlays and settings leave open is planned from the images; `original`: the report's own.
        unlabelled: files, folders or globs of images without labels, for pseudo-labels.
        devices: number of processes that train together, one for each GPU or for a part of the CPU's cores.
        context: options that do not change the weights.

    Returns the bundle's metadata of the training: scores, epochs, seconds, hashes. Raises a LiveCellError if the data or a
    setting breaks a rule; nothing is written then.
    """
    check_device_count(devices)
    context = context or RunContext()
    request = make_request(data, overlays, settings, recipe, unlabelled, devices)
    with cached_reads():
        if context.resume and is_unfinished(output):
            return _resume_request(read_request(output), request, output, context)
        with prepare_overlays(data, overlays, settings, recipe, devices) as (plan, layers):
            return _run_request(replace(request, plan=plan), output, layers, replace(context, resume=False))


def resume(
    output: str | Path, settings: Mapping[str, Any] | None = None, started: float | None = None, force: bool = False
) -> dict[str, Any]:
    """Resume the interrupted training in a folder; result and weights are those of an uninterrupted one.

    Settings for tracking and progress may change, others must be those of its start. `started` and `force` are as in
    `RunContext`; a budget of minutes includes the time before the interruption.
    Raises a LiveCellError if there is no such training, the data have changed, or no checkpoint is intact.
    """
    check_output_folder(output, resume=True)
    before, given = read_request(output), settings or {}
    check_given_settings(output, given)
    with cached_reads():
        return _resume_request(before, before.with_local(given), output, RunContext(started, resume=True, force=force))


def is_unfinished(output: str | Path) -> bool:
    """Whether a folder holds a training that can be resumed."""
    return training_ledger(output).is_unfinished()


def is_finished(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "planned",
    unlabelled: Sequence[str | Path] = (),
    devices: int = 1,
) -> bool:
    """Whether a folder is the complete bundle that `train` leaves for these arguments and data."""
    metadata = Path(output) / "configs" / "metadata.json"
    if is_unfinished(output) or not metadata.is_file():
        return False
    training = json.loads(metadata.read_text(encoding="utf-8")).get("training", {})
    request = make_request(data, overlays, settings, recipe, unlabelled, devices)
    if training.get("request_sha256") != request.digest():
        return False
    split = open_training(data, output, overlays, settings).split
    return bool(training["files_sha256"] == hash_samples([*split.train, *split.validation]))


def _resume_request(
    before: TrainingRequest, request: TrainingRequest, output: str | Path, context: RunContext
) -> dict[str, Any]:
    before.check_same(output, request)
    with before.as_files() as layers:
        own = ["original"] if before.recipe == "original" else []
        return _run_request(replace(request, plan=before.plan), output, [*own, *layers], context)


def _run_request(request: TrainingRequest, output: str | Path, layers: Sequence[str], context: RunContext) -> dict[str, Any]:
    started = time.monotonic() if context.started is None else context.started
    context = replace(context, started=started, request=request)
    call = (request.data, output, layers, request.settings, request.unlabelled, context.resume)
    opened = open_training(*call)
    if request.devices == 1:
        return _run(opened, context.apply)  # type: ignore[no-any-return]
    return train_on_devices(request.devices, opened, context, _train_together, call, context)


def _train_together(call: tuple[Any, ...], context: RunContext) -> None:
    with cached_reads():
        _run(open_training(*(*call, "multi_gpu_train")), context.apply)


def evaluate(
    bundle: str | Path,
    data: str | Path,
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a trained bundle on the labelled test images of a data folder or datalist, on their original grid.

    `output` is the folder of `scores.csv` and `scores.json`, whose contents are returned; the settings override those of
    the bundle; `overwrite` replaces the scores of an earlier run.
    Raises a LiveCellError if the bundle, the data or a setting breaks a rule; nothing is written then.
    """
    paths = {"dataset_dir": str(Path(data).resolve()), "output_dir": str(Path(output).resolve())}
    all_settings = {**(settings or {}), **({"overwrite": True} if overwrite else {})}
    opened, _ = _open_fitted(bundle, ["inference", "evaluate"], all_settings, paths, run_id="evaluating")
    _run(opened)
    summary: dict[str, Any] = opened.writer.summary
    return summary


def predict(
    bundle: str | Path,
    images: Sequence[str | Path],
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    tell: Callable[[str], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Write a mask for each image of the given files, folders and globs.

    Args:
        bundle: a trained bundle.
        images: files, folders or globs.
        output: folder of the masks and `summary.csv`.
        settings: values that override those of the bundle.
        workers: number of processes on this machine that share the images; None for this process.
        scheduler: address of a Dask scheduler whose workers share the images; None for none.
        tell: called with a line about the workers when they are ready.
        progress: called with the number of images that are done, without workers.

    Raises a LiveCellError if the bundle, an input or a setting breaks a rule. An image that cannot be read does not stop
    the others; the result names it.
    """
    paths: dict[str, Any] = {
        "dataset_dir": [str(Path(image).absolute()) for image in images],
        "output_dir": str(Path(output).resolve()),
    }
    skipped = tuple(describe_skipped(images))
    opened, fitted = _open_fitted(bundle, ["inference"], settings, paths, run_id="inferring")
    if workers is not None or scheduler is not None:
        from livecell_monai.distributed.dask import Job, run_distributed

        job = Job(str(Path(bundle).resolve()), paths["output_dir"], json.dumps(dict(fitted), sort_keys=True))
        failures = run_distributed(opened, job, workers, scheduler, tell)
        return Predictions(opened.writer.rows, failures, skipped, tuple(opened.writer.outputs.list_results()))

    def report_progress(opened: OpenBundle) -> None:
        if progress is not None:
            opened.evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: progress(engine.state.iteration))

    with recent_reads():
        _run(opened, report_progress)
    return Predictions(
        opened.writer.rows,
        {**opened.dataset.failures, **opened.large_images.failures, **opened.writer.failures},
        skipped,
        tuple(opened.writer.outputs.list_results()),
    )


def _open_fitted(
    bundle: str | Path, configs: Sequence[str], settings: Mapping[str, Any] | None, paths: Mapping[str, Any], run_id: str
) -> tuple[OpenBundle, Mapping[str, Any]]:
    """A bundle opened for its images, and the settings: the shipped start has those that `fit_settings` gives."""
    opened = open_bundle(bundle, configs, settings, paths, run_id=run_id)
    if read_expected_diameter(bundle) is None:
        return opened, settings or {}
    for check in ("validate_settings", "items", "check_own_settings", "check_outputs"):
        opened.build(check)
    large, items = choose_large_images(opened.build("items"), opened.settings["tiling_min_megapixels"])
    fitted = fit_settings(bundle, settings, items, opened.unfinished.found, large)
    paths = {**paths, "given_settings": opened.build("settings")}
    return open_bundle(bundle, configs, fitted, paths, run_id=run_id), fitted


def _run(opened: OpenBundle, prepare: Callable[[OpenBundle], None] = lambda _: None) -> Any:
    """Run a bundle; `prepare` is called after `initialize`, which rebuilds all parts."""
    # ignite's engines log every epoch, which the progress bar shows, and every error that they raise again
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    try:
        opened.initialize()
        prepare(opened)
        result = opened.run()
        opened.finalize()
    finally:
        close_bars()
    return result
