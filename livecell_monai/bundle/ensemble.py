"""Trained bundles joined into one, and what a study has found noted in a bundle."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from livecell_monai.bundle.export import make_inert, write_bundle
from livecell_monai.bundle.open import find_template, open_bundle, read_settings
from livecell_monai.bundle.weights import WEIGHTS, load_weights, read_weights, save_weights, write_plain_weights
from livecell_monai.errors import BundleError
from livecell_monai.network import join_weights, name_member
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.runs.atomic import atomic_path, make_folder


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
    used = [read_settings([bundle / "configs" / "inference.yaml"]) for bundle in bundles]
    for bundle, settings in zip(bundles, used, strict=True):
        differing = [name for name in used[0] if settings.get(name) != used[0][name]]
        if differing:
            raise BundleError(
                f"{bundle}: bundles of an ensemble must predict alike, {', '.join(differing)} differ; train them by one plan"
            )
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    weights = make_folder(partial / "models") / WEIGHTS
    states: list[Mapping[str, torch.Tensor]] = [read_weights(bundle / "models" / WEIGHTS) for bundle in bundles]
    save_weights(join_weights(states), weights)
    configs = [bundles[0] / "configs" / name for name in ("inference.yaml", "train.yaml")]
    settings = {**read_settings(configs), "ensemble_size": len(bundles)}
    training = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "ensemble_size": len(bundles),
        **write_plain_weights(weights.parent),
        **_join_ranges(bundles),
        **facts,
    }
    multiple = open_bundle(bundles[0], ["inference"]).parser.get_parsed_content("network_def").multiple
    write_bundle(find_template(), partial, settings, training, card, multiple)
    parser = open_bundle(partial, ["inference"]).parser
    load_weights(parser.get_parsed_content("network_def"), weights)
    partial.rename(output)


def _join_ranges(bundles: Sequence[Path]) -> dict[str, Any]:
    """The ranges of the maps of all members, where each of them tells its own."""
    joined: dict[str, Any] = {}
    for index, bundle in enumerate(bundles):
        metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
        ranges = metadata["training"].get(RANGES)
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
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["training"] |= make_inert(facts)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    card = bundle / "docs" / "README.md"
    text = card.read_text(encoding="utf-8")
    with atomic_path(card) as temporary:
        temporary.write_text(f"{text}\n{section}", encoding="utf-8")
