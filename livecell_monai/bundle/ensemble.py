"""Joins trained bundles into one, and adds the results of a study to a bundle."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.contents import METADATA_FILE, read_bundle_settings, read_metadata
from livecell_monai.bundle.export import escape_expressions, write_bundle
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.weights import WEIGHTS, load_weights, read_weights, write_weights
from livecell_monai.errors import BundleError
from livecell_monai.network import join_weights, name_member
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.runs.atomic import write_file


def join_bundles(bundles: Sequence[Path], output: Path, facts: Mapping[str, Any], card: str) -> None:
    """Write a bundle that averages the probabilities of at least two bundles; the folder appears when it is complete.

    Args:
        bundles: the members.
        output: a new folder.
        facts: for `metadata.json` under `training`; date, number of members and hash are added.
        card: the model card, Markdown.

    Raises a BundleError if the settings of prediction differ.
    """
    expected = read_bundle_settings(bundles[0], ["inference"])
    for bundle in bundles:
        settings = read_bundle_settings(bundle, ["inference"])
        differing = [name for name in expected if settings.get(name) != expected[name]]
        if differing:
            raise BundleError(
                f"{bundle}: bundles of an ensemble must predict with the same settings, {', '.join(differing)} differ; "
                "train them by one plan"
            )
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    states: list[Mapping[str, torch.Tensor]] = [read_weights(bundle / "models" / WEIGHTS) for bundle in bundles]
    training = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "ensemble_size": len(bundles),
        **write_weights(join_weights(states), partial / "models"),
        **_join_ranges(bundles),
        **facts,
    }
    joined = {**read_bundle_settings(bundles[0]), "ensemble_size": len(bundles)}
    write_bundle(partial, joined, training, card, open_bundle(bundles[0], ["inference"]).multiple)
    opened = open_bundle(partial, ["inference"])
    load_weights(opened.network_def, opened.checkpoint)
    partial.rename(output)


def _join_ranges(bundles: Sequence[Path]) -> dict[str, Any]:
    """The facts about the ranges of the maps of all members; none if a member has none."""
    joined: dict[str, Any] = {}
    for index, bundle in enumerate(bundles):
        ranges = read_metadata(bundle)["training"].get(RANGES)
        if ranges is None:
            return {}
        joined |= name_member(index, ranges)
    return {RANGES: joined}


def note_study(bundle: Path, facts: Mapping[str, Any], section: str) -> None:
    """Add plain facts to a bundle's metadata, under `training`, and a Markdown section to the end of its card."""
    metadata = read_metadata(bundle)
    metadata["training"] |= escape_expressions(facts)
    write_file(bundle / "configs" / METADATA_FILE, json.dumps(metadata, indent=2) + "\n")
    card = bundle / "docs" / "README.md"
    write_file(card, f"{card.read_text(encoding='utf-8')}\n{section}")
