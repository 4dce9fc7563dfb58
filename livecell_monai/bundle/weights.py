"""Weights between disk and network: `model.safetensors`, which is loaded, and `model.pt` for MONAI's own tools.

The SHA-256 of the file is compared with that in the bundle's metadata before anything of it is loaded. The hash lies in the
same folder: it tells of damage and of exchanged files, not of a bundle that is foreign altogether. `livecell` never
unpickles weights of a bundle.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from livecell_monai.bundle.contents import read_metadata
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError
from livecell_monai.runs.atomic import atomic_path, make_folder

State = dict[str, torch.Tensor]
WEIGHTS = "model.safetensors"
PICKLED_WEIGHTS = "model.pt"
HASH = "weights_sha256"  #: of `model.safetensors`, under `training` in metadata.json
SPARE_BYTES = 2**20  # of a file of weights beside its tensors: names, and their alignment
_TIMES = 2  # weights may be float64
_DAMAGED = (OSError, RuntimeError, ValueError, LookupError, EOFError, TypeError, SafetensorError)


def load_weights(network: nn.Module, checkpoint: str | Path) -> nn.Module:
    """Load a bundle's weights into a network, in place.

    Args:
        network: what the weights are for.
        checkpoint: `models/model.safetensors` of a bundle.

    Raises:
        BundleError: as `read_weights`, or where they do not fit.
    """
    path = Path(checkpoint)
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    state = read_weights(path, _TIMES * size + SPARE_BYTES)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise _misfit(path, "they do not") from error
    return network


def read_weights(checkpoint: Path, most: int | None = None) -> State:
    """The weights of a bundle, after a comparison with the hash in its metadata.

    Args:
        checkpoint: `models/model.safetensors`.
        most: bytes that the file may have; None for as many as it has.

    Raises:
        BundleError: there are none, they are not those of the metadata, or no safetensors.
    """
    if checkpoint.suffix != ".safetensors":
        raise BundleError(
            f"{checkpoint}: the weights must be a .safetensors file, this is none; livecell does not unpickle weights"
        )
    if checkpoint.is_symlink():
        raise BundleError(
            f"{checkpoint}: the weights must be a file of the bundle, this is a symbolic link; replace it by a copy"
        )
    if not checkpoint.is_file():
        raise BundleError(
            f"{checkpoint}: a bundle must have weights, found none; train first (livecell train DATA --output DIR)"
        )
    with _refusing(checkpoint):
        if most is not None and checkpoint.stat().st_size > most:
            raise _misfit(checkpoint, f"they have {checkpoint.stat().st_size:,} bytes, it takes at most {most:,}")
        content = checkpoint.read_bytes()
    _check_hash(checkpoint, hashlib.sha256(content).hexdigest())
    with _refusing(checkpoint):
        state: State = load(content)
    return state


def save_weights(state: Mapping[str, Any], path: Path) -> None:
    """Write a state dictionary, or several of them in one, as `torch.load` reads it.

    Args:
        state: tensors by name.
        path: replaced where it exists.

    Raises:
        DataError: the file cannot be written.
    """
    packed = io.BytesIO()  # torch's own writer tells of a full disk in words about its positions
    torch.save(state, packed)
    _write(path, packed.getvalue())


def write_weights(state: Mapping[str, torch.Tensor], models: Path) -> dict[str, str]:
    """Write the weights of a bundle in both formats; the SHA-256 of `model.safetensors`, as `metadata.json` names it.

    Args:
        state: tensors by name.
        models: the folder of both.

    Raises:
        DataError: a file cannot be written.
    """
    make_folder(models)
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    save_weights(plain, models / PICKLED_WEIGHTS)
    _write(models / WEIGHTS, save(plain))
    return {HASH: hash_file(models / WEIGHTS)}


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:120] or "nothing"
        raise BundleError(
            f"{path}: the weights must be readable, got: {reason}; copy them again, or take them from elsewhere"
        ) from error


def _check_hash(path: Path, found: str) -> None:
    """Compare with the metadata; weights outside of a bundle have none."""
    root = path.parent.parent
    if not (root / "configs" / "metadata.json").is_file():
        return
    noted = read_metadata(root).get("training", {}).get(HASH)
    if found != noted:
        told = "none" if noted is None else f"{str(noted)[:12]}..."
        raise BundleError(
            f"{path}: the weights must have the SHA-256 in configs/metadata.json ({told}), got {found[:12]}...; "
            "copy the whole bundle again"
        )


def _misfit(path: Path, how: str) -> BundleError:
    return BundleError(
        f"{path}: the weights must fit the network of configs/settings.yaml, {how}; restore that file's network settings or "
        "use the weights they were trained with"
    )
