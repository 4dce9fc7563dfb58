"""Trained bundles joined into one, and what a study has found noted in a bundle."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.contents import read_bundle_settings, read_metadata
from livecell_monai.bundle.export import make_inert, write_bundle
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.weights import WEIGHTS, load_weights, read_weights, write_weights
from livecell_monai.errors import BundleError
from livecell_monai.network import join_weights, name_member
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.runs.atomic import atomic_path


def join_bundles(bundles: Sequence[Path], output: Path, facts: Mapping[str, Any], card: str) -> None:
    """Leave a bundle that averages the probabilities of several; it is there whole or not at all.

    Args:
        bundles: at least two, that differ in their weights alone as far as prediction goes.
        output: the folder; not there yet.
        facts: what `metadata.json` says under `training`, beside date, weights and members.
        card: the model card, Markdown.

    Raises:
        BundleError: where the bundles predict in different ways.
    """
    used = [read_bundle_settings(bundle, ["inference"]) for bundle in bundles]
    for bundle, settings in zip(bundles, used, strict=True):
        differing = [name for name in used[0] if settings.get(name) != used[0][name]]
        if differing:
            raise BundleError(
                f"{bundle}: bundles of an ensemble must predict alike, {', '.join(differing)} differ; train them by one plan"
            )
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    states: list[Mapping[str, torch.Tensor]] = [read_weights(bundle / "models" / WEIGHTS) for bundle in bundles]
    settings = {**read_bundle_settings(bundles[0]), "ensemble_size": len(bundles)}
    training = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "ensemble_size": len(bundles),
        **write_weights(join_weights(states), partial / "models"),
        **_join_ranges(bundles),
        **facts,
    }
    write_bundle(partial, settings, training, card, open_bundle(bundles[0], ["inference"]).multiple)
    opened = open_bundle(partial, ["inference"])
    load_weights(opened.network_def, opened.checkpoint)
    partial.rename(output)


def _join_ranges(bundles: Sequence[Path]) -> dict[str, Any]:
    """The ranges of the maps of all members, where each of them tells its own."""
    joined: dict[str, Any] = {}
    for index, bundle in enumerate(bundles):
        ranges = read_metadata(bundle)["training"].get(RANGES)
        if ranges is None:
            return {}
        joined |= name_member(index, ranges)
    return {RANGES: joined}


def note_study(bundle: Path, facts: Mapping[str, Any], section: str) -> None:
    """Add what a study has found to a bundle's metadata, under `training`, and to its card.

    Args:
        bundle: the folder.
        facts: by name; plain values.
        section: Markdown that goes to the end of the card.
    """
    path = bundle / "configs" / "metadata.json"
    metadata = read_metadata(bundle)
    metadata["training"] |= make_inert(facts)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    card = bundle / "docs" / "README.md"
    text = card.read_text(encoding="utf-8")
    with atomic_path(card) as temporary:
        temporary.write_text(f"{text}\n{section}", encoding="utf-8")
