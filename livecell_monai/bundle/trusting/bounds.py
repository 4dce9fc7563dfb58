"""What the settings of a foreign bundle may ask of the machine; who gives a setting by hand may ask for more."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from livecell_monai.errors import BundleError

SPARE_BYTES = 2**28  # of a network, whatever the size of its weights' file
_FLOAT = 4  # bytes
_TAPS = 9  # of a 3 x 3 convolution
_LONGEST = 2**15  # pixels of an edge

Bound = tuple[str, Callable[[Any], bool]]


def _at_most(most: float) -> Bound:
    return f"a number of at most {most:,}", lambda value: _is_number(value) and value <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(edge) and edge <= _LONGEST for edge in value)


_SHAPE_WORDS = f"[Y, X] of at most {_LONGEST:,} pixels"
BOUNDS: dict[str, Bound] = {
    "filters": (
        "at most 12 whole numbers of at most 8,192",
        lambda value: (
            isinstance(value, list) and len(value) <= 12 and all(type(width) is int and width <= 8192 for width in value)
        ),
    ),
    "convolutions": _at_most(16),
    "ensemble_size": _at_most(64),
    "window_batch": _at_most(1024),
    "window_memory": _at_most(2**20),
    "window": (f"auto or {_SHAPE_WORDS}", lambda value: isinstance(value, str) or _is_shape(value)),
    "scale": (
        f"a factor of at most 16, or {_SHAPE_WORDS}",
        lambda value: _is_shape(value) or (_is_number(value) and value <= 16),
    ),
}


def find_excess(name: str, value: Any) -> str | None:
    """The rule that a setting breaks; None where it breaks none."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    words, holds = BOUNDS.get(name, ("", lambda _: True))
    return None if holds(value) else words


def check_large_network(root: Path, settings: Mapping[str, Any]) -> None:
    """Refuse settings that make a network many times as large as the weights beside them, before it takes the memory.

    Raises:
        BundleError: where it is so.
    """
    filters, members = settings.get("filters", []), settings.get("ensemble_size", 1)
    least = members * _FLOAT * _TAPS * sum(fine * coarse for fine, coarse in pairwise(filters))
    weights = root / "models" / "model.pt"
    size = weights.stat().st_size if weights.is_file() else 0
    if least > max(SPARE_BYTES, size):
        raise BundleError(
            f"{root}: the network must not be larger than its weights, filters {filters} of {members} networks ask for "
            f"{least:,} bytes and more; restore the bundle's settings"
        )
