"""The page about a bundle that was trained before: of what it holds, and of data that are laid beside it."""

import csv
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

from livecell_monai.bundle.contents import read_bundle_settings, read_metadata
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.report.cases import read_cases
from livecell_monai.report.page import PageFacts, write_page
from livecell_monai.runs.atomic import check_overwrite

#: what a page says of a training
NEEDED = (
    "data",
    "data_sha256",
    "files_sha256",
    "weights_sha256",
    "created",
    "validation",
    "epochs_run",
    "kept_epoch",
    "seconds",
)
NO_DATA = "Made of what the bundle holds alone: pictures of images ask for the data (livecell report RUN --data DATA)."


def write_bundle_page(bundle: Path, output: Path, data: Path | None = None, overwrite: bool = False) -> None:
    """Write the page of a trained bundle.

    Args:
        bundle: the folder that training left.
        output: file to write, ending in .html.
        data: data folder or datalist whose images are predicted; None for a page without them.
        overwrite: whether a file that is there may be written over.

    Raises:
        SettingError: where the output cannot be.
        LiveCellError: where the bundle or the data breaks a rule; nothing is written then.
    """
    check_output(output, overwrite)
    facts = read_bundle_facts(bundle)
    facts |= {"notes": [NO_DATA]} if data is None else _look_at_data(bundle, data, facts["training"])
    write_page(output, PageFacts(**facts))


def check_output(output: Path, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written, before any work is done.

    Raises:
        SettingError: where it is there already, is no page, or has no folder to lie in.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"{output}: the report must be a file ending in .html, it is not; name it so")
    check_overwrite(output, overwrite)


def read_bundle_facts(bundle: Path) -> dict[str, Any]:
    """What a bundle tells of its own training, as `PageFacts` names it.

    Args:
        bundle: the folder.

    Raises:
        BundleError: where it is no bundle that was trained.
    """
    used, metadata = read_bundle_settings(bundle), read_metadata(bundle)
    training = metadata.get("training", {})
    if "ensemble_size" in training:
        raise BundleError(
            f"{bundle}: a page must be of one training, this bundle joins {training['ensemble_size']}; name the bundle of a "
            "fold"
        )
    if "split" not in training:
        raise BundleError(f"{bundle}: the bundle must tell of its training in metadata.json, it does not; train it first")
    settings = used | {"unlabelled_images": training.get("unlabelled_images", 0)}
    try:
        return _gather(bundle, metadata, settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise BundleError(
            f"{bundle}: metadata and tables must be as training left them, got {reason}; restore them"
        ) from error


def _gather(bundle: Path, metadata: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a bundle; what is missing or no number raises as it comes."""
    from livecell_monai.data.dataset.split import SPLITS

    training = {name: metadata["training"][name] for name in (*NEEDED, *metadata["training"])}
    rows = _read_table(bundle / "docs" / "scores.csv")
    read_cases(rows)
    words, plan = SPLITS[training["split"]], bundle / "configs" / "plan.yaml"
    return {
        "title": f"livecell U-Net trained on {training['data']}",
        "training": training,
        "settings": settings,
        "versions": metadata["required_packages_version"],
        "history": [_numbers(row) for row in _read_table(bundle / "docs" / "history.csv")],
        "threshold": settings["threshold"],
        "split": words.split,
        "limit": words.limit,
        "plan": plan.read_text(encoding="utf-8") if plan.is_file() else "",
        "rows": rows,
    }


def _look_at_data(bundle: Path, data: Path, training: Mapping[str, Any]) -> dict[str, Any]:
    from livecell_monai.training.review import open_review

    shown = open_review(bundle, data)
    warnings, notes = [], []
    if shown.data_sha256 is None:
        notes.append(f"{data.name} holds no training images: neither split nor validation are drawn.")
    elif shown.data_sha256 != training["data_sha256"]:
        warnings.append(
            f"These are not the data that the bundle was trained on: their SHA-256 is {shown.data_sha256[:12]}..., that of "
            f"the training's is {training['data_sha256'][:12]}.... Split and validation below are of other images."
        )
    trained = set(training["files_sha256"].values())
    if seen := [name for name, sha256 in shown.hashes.items() if sha256 in trained]:
        warnings.append(f"The network was trained on these test images, their scores are too good: {', '.join(seen)}.")
    if shown.left_out:
        notes.append(f"{shown.left_out} further test images, left out by chance, are not on this page.")
    if training["split"] == "original":
        notes.append("Validation below is on the whole training images, not on augmented patches of them as in training.")
    return {
        "warnings": warnings,
        "notes": notes,
        **{name: getattr(shown, name) for name in ("sides", "samples", "predictions", "expected", "diameter_px")},
    }


def _read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, none where there is no file: older bundles have no scores."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    """A row of numbers, one that is empty or no number as NaN."""
    numbers = {}
    for name, value in row.items():
        try:
            numbers[name] = float(value)
        except ValueError:
            numbers[name] = nan
    return numbers
