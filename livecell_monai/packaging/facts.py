"""What an exported model says about itself, in every format under the same names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livecell_monai import __version__
from livecell_monai.bundle.contents import read_metadata
from livecell_monai.bundle.foreign.stated import CELLS, THRESHOLD
from livecell_monai.bundle.weights import HASH
from livecell_monai.packaging.parity import Parity

LICENCE = "Apache-2.0"  #: of the weights, unless another is named; that of the package and of the bundle's code
_MOST = 200  # characters of a text that comes from the bundle


@dataclass(frozen=True)
class ModelFacts:
    """Facts about an exported model."""

    name: str
    version: str  #: of the bundle
    description: str
    authors: tuple[str, ...]
    licence: str  #: SPDX identifier
    channels: tuple[str, ...]  #: names of the output's channels, foreground first
    threshold: float  #: of the foreground, for the mask
    scale: float  #: at which the network inside of the graph works; the graph resizes by itself
    cells: Mapping[str, Any]  #: see `CELLS`
    training: Mapping[str, str]  #: where the weights come from
    card: str  #: the model card of the bundle, Markdown
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    parity: Parity | None = None  #: how well the model agrees with the bundle; None before it is measured

    def with_parity(self, parity: Parity) -> "ModelFacts":
        """The facts with what was measured."""
        return replace(self, parity=parity)

    def values(self) -> dict[str, Any]:
        """The facts as plain values by name."""
        values: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "author": ", ".join(self.authors),
            "license": self.licence,
            "created": self.created,
            "producer": f"livecell-monai {__version__}",
            "channel_def": {str(number): name for number, name in enumerate(self.channels)},
            THRESHOLD: self.threshold,
            "network_scale": self.scale,
            "cells": dict(self.cells),
            "training": dict(self.training),
        }
        return values | ({} if self.parity is None else {"parity": self.parity.facts()})

    def texts(self) -> dict[str, str]:
        """The values as texts, JSON where they are none, for formats that hold texts only."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.values().items()}


def collect_facts(
    bundle: Path,
    settings: Mapping[str, Any],
    name: str,
    channels: Sequence[str],
    authors: Sequence[str] = (),
    licence: str | None = None,
) -> ModelFacts:
    """The facts about the model of a bundle with some settings; authors and licence are those of the bundle by default."""
    metadata = read_metadata(bundle)
    training = metadata.get("training", {})
    kept = {key: _shorten(training[key]) for key in ("created", HASH, "start_sha256") if key in training}
    return ModelFacts(
        name=f"{_shorten(metadata.get('name', 'livecell U-Net'))} {name}",
        version=_shorten(metadata.get("version", __version__)),
        description=_shorten(metadata.get("task", "")),
        authors=tuple(authors) or (_shorten(metadata.get("authors", "livecell-monai developers")),),
        licence=licence or LICENCE,
        channels=tuple(channels),
        threshold=float(settings[THRESHOLD]),
        scale=float(settings["scale"]),
        cells={key: settings[key] for key in CELLS},
        training=kept,
        card=_read_card(bundle),
    )


def _shorten(value: Any) -> str:
    return " ".join(str(value).split())[:_MOST]


def _read_card(bundle: Path) -> str:
    try:
        return (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "This bundle has no model card.\n"
