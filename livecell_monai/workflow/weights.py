"""Weights onto disk and from it into a network: refused where they are missing, torn or of another network."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from livecell_monai.data.writing import atomic_path
from livecell_monai.errors import BundleError


def save_weights(state: Mapping[str, Any], path: Path) -> None:
    """Write a state dictionary as `load_weights` reads it, or several of them in one.

    Args:
        state: tensors by name.
        path: replaced where it exists.

    Raises:
        DataError: the file cannot be written.
    """
    packed = io.BytesIO()  # torch's own writer tells of a full disk in words about its positions
    torch.save(state, packed)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def load_weights(network: nn.Module, checkpoint: str | Path) -> nn.Module:
    """Load a state dictionary into a network, in place.

    Args:
        network: what the weights are for.
        checkpoint: a file as training leaves it in `models/`; nothing but tensors is read from it.

    Raises:
        BundleError: where there is no such file or it does not fit.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise BundleError(f"{path}: a bundle must have weights, found none; train first (livecell train DATA --output DIR)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:120] or "nothing"
        raise BundleError(f"{path}: the weights must be readable, got: {reason}; copy them again") from error
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{path}: the weights must fit the network of configs/inference.yaml, they do not; restore that file's "
            "network settings or use the weights they were trained with"
        ) from error
    return network
