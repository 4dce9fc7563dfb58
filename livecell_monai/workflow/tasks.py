"""Train, evaluate and predict: one call each, over the same files that `monai.bundle run` reads."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.workflow.opening import find_template, open_bundle
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


def train(
    data: str | Path, output: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Train on a data folder or datalist; the output folder becomes a complete bundle.

    Args:
        data: data folder or datalist.
        output: a folder that is empty or new.
        overlays: configs over those of training, later ones over earlier ones: `original`, `smoke`, or a path.
        settings: values over those of the configs.

    Returns:
        What the bundle's metadata says of the training: scores, epochs, seconds, hashes.

    Raises:
        LiveCellError: where the data or a setting breaks a rule; nothing is written then.
    """
    paths = {"dataset_dir": str(Path(data).resolve()), "output_dir": str(Path(output).resolve())}
    workflow = open_bundle(
        find_template(), ["inference", "train"], settings, paths, overlays, run_id="training", workflow_type="train"
    )
    return _run(workflow)  # type: ignore[no-any-return]


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
    workflow = open_bundle(bundle, ["inference", "evaluate"], all_settings, paths, run_id="evaluating")
    _run(workflow)
    summary: dict[str, Any] = workflow.parser.get_parsed_content("writer").summary
    return summary


def predict(
    bundle: str | Path,
    images: Sequence[str | Path],
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Predictions:
    """Write a mask for every image that files, folders and globs stand for.

    Args:
        bundle: the folder that training left.
        images: files, folders or globs.
        output: where masks and `summary.csv` go.
        settings: values over those of the bundle.
        overwrite: whether results of an earlier run may be written over.

    Raises:
        LiveCellError: where the bundle, an input or a setting breaks a rule; an image that cannot be read is no such
            case, it is named in the result.
    """
    paths: dict[str, Any] = {
        "dataset_dir": [str(Path(image).absolute()) for image in images],
        "output_dir": str(Path(output).resolve()),
    }
    all_settings = {**(settings or {}), **({"overwrite": True} if overwrite else {})}
    workflow = open_bundle(bundle, ["inference"], all_settings, paths, run_id="inferring")
    _run(workflow)
    parser = workflow.parser
    return Predictions(parser.get_parsed_content("writer").rows, parser.get_parsed_content("dataset").failures)


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
