"""The page about a trained bundle: of what the bundle holds, and of data that are given with it."""

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.bundle.contents import read_bundle_settings, read_metadata
from livecell_monai.bundle.start import EXPECTED
from livecell_monai.data.dataset.seen import read_seen
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.report.cases import read_cases
from livecell_monai.report.page import PageFacts, write_page
from livecell_monai.runs.atomic import check_overwrite, read_table

if TYPE_CHECKING:
    from livecell_monai.training.review import Review

#: entries of the metadata that a page needs, beside `data` and `split`
NEEDED = ["data_sha256", "files_sha256", "weights_sha256", "created", "validation", "epochs_run", "kept_epoch", "seconds"]
ZERO_SHOT = "Nothing was learned from these images: the network has seen other cells only, those that its card lists."
NO_DATA = "Made from the bundle alone: pictures of images need the data (livecell report RUN --data DATA)."


def write_bundle_page(
    bundle: Path, output: Path, data: Path | None = None, settings: Mapping[str, Any] | None = None
) -> None:
    """Write the page of a trained bundle into a file that `check_output` has accepted.

    With a data folder or datalist, the page also has predictions of its images, with `settings` where they differ.

    Raises a LiveCellError if the bundle or the data are not valid; nothing is written then.
    """
    facts = read_bundle_facts(bundle)
    facts |= {"notes": [NO_DATA]} if data is None else _review_data(bundle, data, facts["training"], settings)
    write_page(output, PageFacts(**facts))


def check_output(output: Path, overwrite: bool) -> None:
    """Check, before any work is done, that a file is new, ends in .html and has a folder; else a SettingError."""
    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"{output}: the report must be a file ending in .html; rename it")
    check_overwrite(output, overwrite)


def read_bundle_facts(bundle: Path) -> dict[str, Any]:
    """The facts of `PageFacts` that a bundle holds of its own training; a BundleError if it is not a trained bundle."""
    settings, metadata = read_bundle_settings(bundle), read_metadata(bundle)
    training = metadata.get("training", {})
    if EXPECTED in training:
        return _describe_start(settings, metadata)
    if "ensemble_size" in training:
        raise BundleError(
            f"{bundle}: a page must be of one training, this bundle joins {training['ensemble_size']}; name the bundle of a "
            "fold"
        )
    if "split" not in training:
        raise BundleError(f"{bundle}: metadata.json must describe a training, it does not; train the bundle first")
    try:
        return _gather(bundle, metadata, settings | {"unlabelled_images": training.get("unlabelled_images", 0)})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise BundleError(
            f"{bundle}: metadata and tables must be as training left them, got {reason}; restore them"
        ) from error


def _describe_start(settings: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of `PageFacts` about the start, which was not trained here."""
    return {
        "title": "The start that livecell-monai ships, without a training",
        "training": {**metadata["training"], "leaks": False},
        "settings": settings,
        "versions": metadata["required_packages_version"],
        "history": (),
        "threshold": settings["threshold"],
        "split": "",
        "limit": ZERO_SHOT,
    }


def _gather(bundle: Path, metadata: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    from livecell_monai.data.dataset.split import SPLITS

    training = {name: metadata["training"][name] for name in (*NEEDED, *metadata["training"])}
    # older bundles have no scores
    files = [bundle / "docs" / name for name in ("scores.csv", "history.csv")]
    rows, history = (read_table(file) if file.is_file() else [] for file in files)
    read_cases(rows)
    split, plan = SPLITS[training["split"]], bundle / "configs" / "plan.yaml"
    return {
        "title": f"livecell U-Net trained on {training['data']}",
        "training": training,
        "settings": settings,
        "versions": metadata["required_packages_version"],
        "history": [{key: float(text) if text != "" else nan for key, text in row.items()} for row in history],
        "threshold": settings["threshold"],
        "split": split.split,
        "limit": split.limit,
        "plan": plan.read_text(encoding="utf-8") if plan.is_file() else "",
        "rows": rows,
    }


def _review_data(
    bundle: Path, data: Path, training: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    from livecell_monai.training.review import open_review

    shown = open_review(bundle, data, settings=settings)
    warnings: list[str] = []
    notes: list[str] = []
    if "split" not in training:
        warnings.append(f"{ZERO_SHOT} Their cells were taken as {shown.diameter_px:.0f} px across.")
        return _take_review(shown, warnings, notes)
    if shown.data_sha256 is None:
        notes.append(f"{data.name} has no training images: neither split nor validation are drawn.")
    elif shown.data_sha256 != training["data_sha256"]:
        warnings.append(
            f"These are not the data that the bundle was trained on: their SHA-256 is {shown.data_sha256[:12]}..., that of "
            f"the training's is {training['data_sha256'][:12]}.... Split and validation below are of other images."
        )
    trained = {*training["files_sha256"].values(), *read_seen(training, bundle)}  # the latter also by its start
    if seen := [name for name, sha256 in shown.hashes.items() if sha256 in trained]:
        warnings.append(f"The network was trained on these test images, their scores are too good: {', '.join(seen)}.")
    if shown.unlabelled is not None:
        notes.append(f"{shown.unlabelled}.")
    if training["split"] == "original":
        notes.append("Validation below is on the whole training images, not on augmented patches of them as in training.")
    return _take_review(shown, warnings, notes)


def _take_review(shown: "Review", warnings: list[str], notes: list[str]) -> dict[str, Any]:
    names = ("sides", "samples", "predictions", "expected", "diameter_px")
    if shown.left_out:
        notes = [*notes, f"{shown.left_out} more test images, left out at random, are not on this page."]
    return {"warnings": warnings, "notes": notes, **{name: getattr(shown, name) for name in names}}
