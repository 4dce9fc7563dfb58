"""Weights on disk: `model.safetensors`, which `livecell` loads, and `model.pt` for MONAI's own tools.

The SHA-256 in the bundle's metadata detects damaged and exchanged files. `livecell` never unpickles weights of a bundle.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from livecell_monai.bundle.contents import METADATA_FILE, read_metadata
from livecell_monai.errors import BundleError, describe_error
from livecell_monai.runs.atomic import make_folder, write_file

WEIGHTS = "model.safetensors"
PICKLED_WEIGHTS = "model.pt"
HASH = "weights_sha256"  #: of `model.safetensors`, under `training` in metadata.json
HEADER_BYTES = 2**20  # more than names and alignment of the tensors take in a file
State = dict[str, torch.Tensor]


def load_weights(network: nn.Module, checkpoint: str | Path) -> nn.Module:
    """Load `models/model.safetensors` of a bundle into a network, in place, and return the network.

    Raises a BundleError as `read_weights` does, or if the weights do not fit the network.
    """
    path = Path(checkpoint)
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    state = read_weights(path, 2 * size + HEADER_BYTES)  # weights may be float64
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise _mismatch(path, "they do not") from error
    return network


def read_weights(checkpoint: Path, max_bytes: int | None = None) -> State:
    """The weights of a bundle, from `models/model.safetensors` of at most `max_bytes`.

    Raises a BundleError if the file is missing, damaged, too large, or its hash is not the one in the metadata.
    """
    if checkpoint.suffix != ".safetensors":
        raise BundleError(
            f"{checkpoint}: the weights must be a .safetensors file, got {checkpoint.suffix!r}; livecell does not unpickle "
            "weights"
        )
    if checkpoint.is_symlink():
        raise BundleError(
            f"{checkpoint}: the weights must be a file of the bundle, this is a symbolic link; replace it by a copy"
        )
    if not checkpoint.is_file():
        raise BundleError(
            f"{checkpoint}: a bundle must have weights, found none; train first (livecell train DATA --output DIR)"
        )
    try:
        size = checkpoint.stat().st_size
        if max_bytes is not None and size > max_bytes:
            raise _mismatch(checkpoint, f"they have {size:,} bytes, it takes at most {max_bytes:,}")
        content = checkpoint.read_bytes()
        _check_hash(checkpoint, hashlib.sha256(content).hexdigest())
        state: State = load(content)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise BundleError(
            f"{checkpoint}: the weights must be readable, got: {describe_error(error)}; copy them again"
        ) from error
    return state


def save_weights(state: Mapping[str, Any], path: Path) -> None:
    """Write one or several state dictionaries for `torch.load`; raises a DataError if the file cannot be written."""
    buffer = io.BytesIO()  # torch's own writer reports a full disk as a wrong position in the file
    torch.save(state, buffer)
    write_file(path, buffer.getvalue())


def write_weights(state: Mapping[str, torch.Tensor], models: Path) -> dict[str, str]:
    """Write a state dictionary to the folder `models` in both formats, and return the hash for `metadata.json`."""
    make_folder(models)
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    save_weights(plain, models / PICKLED_WEIGHTS)
    content = save(plain)
    write_file(models / WEIGHTS, content)
    return {HASH: hashlib.sha256(content).hexdigest()}


def _check_hash(path: Path, found: str) -> None:
    root = path.parent.parent
    if not (root / "configs" / METADATA_FILE).is_file():
        return  # weights outside of a bundle
    expected = read_metadata(root).get("training", {}).get(HASH)
    if found != expected:
        shown = "none" if expected is None else f"{str(expected)[:12]}..."
        raise BundleError(
            f"{path}: the weights must have the SHA-256 in configs/metadata.json ({shown}), got {found[:12]}...; "
            "copy the whole bundle again"
        )


def _mismatch(path: Path, how: str) -> BundleError:
    return BundleError(
        f"{path}: the weights must fit the network of configs/settings.yaml, {how}; restore the network settings in that "
        "file, or use the weights they were trained with"
    )
