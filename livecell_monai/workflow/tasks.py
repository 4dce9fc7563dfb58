"""Train, evaluate and predict: one call each, over the same files that `monai.bundle run` reads."""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.errors import SettingError
from livecell_monai.plan import Choice, describe_fingerprint, measure_fingerprint, plan_training, write_plan
from livecell_monai.workflow.devices import refuse_number, train_on_devices
from livecell_monai.workflow.history import OnEpoch
from livecell_monai.workflow.opening import find_template, open_bundle, read_settings
from livecell_monai.workflow.progress import close_bars


@dataclass(frozen=True)
class Predictions:
    """What a prediction left.

    Attributes:
        rows: the rows of `summary.csv`.
        failures: the message for each image that could not be read, by its path.
    """

    rows: list[dict[str, Any]]
    failures: dict[Path, str]


RECIPES = ("planned", "original")


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

    Returns:
        What the bundle's metadata says of the training: scores, epochs, seconds, hashes.

    Raises:
        LiveCellError: where the data or a setting breaks a rule; nothing is written then.
    """
    refuse_number(devices)
    if recipe == "original" and unlabelled:
        raise SettingError("--unlabelled must be left out with the recipe original, which learns from labels alone")
    with _recipe(data, overlays, settings, recipe, devices) as (file, layers):
        given = (data, output, layers, settings, time.monotonic() if started is None else started, unlabelled)
        handed: dict[str, Any] = {"plan": file, "parent_run": parent_run, "on_epoch": on_epoch}
        opened = _open_training(*given, **handed)
        if devices == 1:
            return _run(opened)  # type: ignore[no-any-return]
        return train_on_devices(devices, opened.parser, _train_together, given, handed)


def _train_together(given: tuple[Any, ...], handed: Mapping[str, Any]) -> None:
    """What each of several processes does."""
    _run(_open_training(*given, **{**handed, "overlay": "multi_gpu_train"}))


def resolve_settings(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, recipe: str = "planned"
) -> dict[str, Any]:
    """Every setting with the value that `train` would take from configs, plan, overlays and settings; nothing is written.

    Raises:
        LiveCellError: where the data or a setting breaks a rule, as `train` would refuse it.
    """
    known = read_settings([find_template() / "configs" / f"{name}.yaml" for name in ("inference", "train")])
    with _recipe(data, overlays, settings, recipe) as (_, layers):
        parser = _open_training(data, "unused", layers, settings).parser
        parser.get_parsed_content("settings_hold")
        return {name: parser[name] for name in known}


@contextmanager
def _recipe(
    data: str | Path, overlays: Sequence[str], settings: Mapping[str, Any] | None, recipe: str, devices: int = 1
) -> Iterator[tuple[str | None, list[str]]]:
    """The file of the plan, where the recipe makes one, and the overlays with the recipe's own below them."""
    if recipe not in RECIPES:
        raise SettingError(f"the recipe must be one of {', '.join(RECIPES)}, got {recipe!r}; correct it")
    if recipe == "original":
        yield None, ["original", *overlays]
        return
    choices, head = plan(data, overlays, settings, devices)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "plan.yaml")
        write_plan(file, choices, head)
        yield file, [file, *overlays]  # what overlays and settings say stands over the plan


def plan(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, devices: int = 1
) -> tuple[dict[str, Choice], str]:
    """What `train` would set for a data folder or datalist, and the fingerprint that it follows from, in words.

    Raises:
        LiveCellError: where the data or a setting breaks a rule.
    """
    parser = _open_training(data, "unused", overlays, settings).parser
    parser.get_parsed_content("settings_hold")
    # of what would be trained on: pixels that are held out have no say
    fingerprint = measure_fingerprint(parser.get_parsed_content("partition").train)
    multiple = parser.get_parsed_content("network_def").multiple
    template = read_settings([find_template() / "configs" / f"{name}.yaml" for name in ("inference", "train")])
    is_free = all(parser[name] == template[name] for name in ("filters", "patch_size", "window"))
    head = "\n".join(f"{what}: {words}" for what, words in describe_fingerprint(fingerprint))
    return plan_training(fingerprint, parser.get_parsed_content("minutes"), multiple, is_free, devices), head


def _open_training(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str],
    settings: Mapping[str, Any] | None,
    started: float | None = None,
    unlabelled: Sequence[str | Path] = (),
    overlay: str = "train",
    **handed: Any,
) -> Any:
    paths: dict[str, Any] = {
        "dataset_dir": str(Path(data).resolve()),
        "output_dir": str(Path(output).resolve()),
        "started": time.monotonic() if started is None else started,
        "unlabelled": [str(Path(path).absolute()) for path in unlabelled] or None,
        **handed,
    }
    configs = ["inference", "train", overlay]
    return open_bundle(find_template(), configs, settings, paths, overlays, run_id="training", workflow_type="train")


def evaluate(
    bundle: str | Path,
    data: str | Path,
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    trust: bool = False,
) -> dict[str, Any]:
    """Score a trained bundle on labelled test images, on their original grid.

    Args:
        bundle: the folder that training left.
        data: data folder or datalist with labelled test images.
        output: where `scores.csv` and `scores.json` go.
        settings: values over those of the bundle.
        overwrite: whether scores of an earlier run may be written over.
        trust: whether to run whatever the bundle's YAML says, as for `open_bundle`.

    Returns:
        What `scores.json` holds.

    Raises:
        LiveCellError: where the bundle, the data or a setting breaks a rule; nothing is written then.
    """
    paths = {"dataset_dir": str(Path(data).resolve()), "output_dir": str(Path(output).resolve())}
    all_settings = {**(settings or {}), **({"overwrite": True} if overwrite else {})}
    workflow = open_bundle(bundle, ["inference", "evaluate"], all_settings, paths, run_id="evaluating", trust=trust)
    _run(workflow)
    summary: dict[str, Any] = workflow.parser.get_parsed_content("writer").summary
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
    trust: bool = False,
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
        trust: whether to run whatever the bundle's YAML says, as for `open_bundle`.

    Raises:
        LiveCellError: where the bundle, an input or a setting breaks a rule; an image that cannot be read is no such
            case, it is named in the result.
    """
    paths: dict[str, Any] = {
        "dataset_dir": [str(Path(image).absolute()) for image in images],
        "output_dir": str(Path(output).resolve()),
    }
    all_settings = {**(settings or {}), **({"overwrite": True} if overwrite else {})}
    workflow = open_bundle(bundle, ["inference"], all_settings, paths, run_id="inferring", trust=trust)
    parser = workflow.parser
    if workers is not None or scheduler is not None:
        from livecell_monai.workflow.distributing import Job, run_distributed

        job = Job(str(Path(bundle).resolve()), paths["output_dir"], json.dumps(all_settings, sort_keys=True), trust=trust)
        failures = run_distributed(workflow, job, workers, scheduler, tell)
        return Predictions(parser.get_parsed_content("writer").rows, failures)
    _run(workflow)
    failures = {**parser.get_parsed_content("dataset").failures, **parser.get_parsed_content("mosaics").failures}
    return Predictions(parser.get_parsed_content("writer").rows, failures)


def _run(workflow: Any) -> Any:
    # the engines tell of every epoch, which the progress bar says better, and of every error that they raise again
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    try:
        workflow.initialize()
        result = workflow.run()
        workflow.finalize()
    finally:
        close_bars()
    return result[0]
