"""Weights between disk and network: a .pt for MONAI's own tools and beside it a safetensors file, which is what is loaded.

Each is looked into, and compared with its SHA-256 in the bundle's metadata, before anything of it is loaded. The hashes lie
in the same folder: they tell of damage and of a file put in another's place, not of a bundle that is foreign altogether.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from livecell_monai.bundle.archive import check_archive, check_header
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError
from livecell_monai.runs.atomic import atomic_path

State = dict[str, torch.Tensor]
WEIGHTS = "model.pt"
PLAIN_WEIGHTS = "model.safetensors"
HASHES = {WEIGHTS: "weights_sha256", PLAIN_WEIGHTS: "safetensors_sha256"}  #: under `training` in metadata.json
SPARE_BYTES = 2**20  # of a file of weights beside its tensors: names, and their alignment
_TIMES = 2  # weights may be float64
_DAMAGED = (OSError, RuntimeError, ValueError, LookupError, EOFError, TypeError, UnpicklingError, SafetensorError)


def load_weights(network: nn.Module, checkpoint: str | Path) -> nn.Module:
    """Load a bundle's weights into a network, in place.

    Args:
        network: what the weights are for.
        checkpoint: `models/model.pt` of a bundle; `model.safetensors` is taken where it lies beside it.

    Raises:
        BundleError: as `read_weights`, or where they do not fit.
    """
    path = Path(checkpoint)
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    return fill(network, read_weights(path, _TIMES * size + SPARE_BYTES), path)


def fill(network: nn.Module, state: State, path: Path) -> nn.Module:
    """Put weights into a network, in place.

    Args:
        network: what they are for.
        state: the weights.
        path: where they come from, for the message.

    Raises:
        BundleError: where they do not fit.
    """
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise _misfit(path, "they do not") from error
    return network


def read_weights(checkpoint: Path, most: int | None = None) -> State:
    """The weights of a bundle, each of its files compared with the metadata first.

    Args:
        checkpoint: `models/model.pt`.
        most: bytes that a file may have; None for as many as it has.

    Raises:
        BundleError: where there are none, they are not those of the metadata, or are more than tensors.
    """
    if not checkpoint.is_file():
        raise BundleError(
            f"{checkpoint}: a bundle must have weights, found none; train first (livecell train DATA --output DIR)"
        )
    noted = _read_hashes(checkpoint.parent.parent / "configs" / "metadata.json")
    there = [path for path in (checkpoint.with_suffix(".safetensors"), checkpoint) if path.is_file()]
    contents = [_read_file(path, most, noted) for path in there]  # one of them is loaded, and neither may lie
    return _unpack(there[0], contents[0])


def read_state(path: Path) -> State:
    """The tensors by name in a file that this process has written, or that a bundle's metadata say nothing of.

    Args:
        path: ends in .pt or .safetensors.

    Raises:
        BundleError: where it is a link, or more than tensors.
    """
    return _unpack(path, _read_file(path, None, None))


def _read_file(path: Path, most: int | None, noted: Mapping[str, str] | None) -> bytes:
    """What is in a file of weights, which is the one that was noted and looks like one."""
    if path.is_symlink():
        raise BundleError(
            f"{path}: the weights must be a file of the bundle, this is a symbolic link; copy the file in its place"
        )
    with _refusing(path):
        if most is not None and path.stat().st_size > most:
            raise _misfit(path, f"they have {path.stat().st_size:,} bytes, it takes at most {most:,}")
        content = path.read_bytes()
        if noted is not None:
            _check_other(path, hashlib.sha256(content).hexdigest(), noted.get(path.name))
        look = check_header if path.suffix == ".safetensors" else check_archive
        look(content)
    return content


def _unpack(path: Path, content: bytes) -> State:
    with _refusing(path):
        if path.suffix == ".safetensors":
            state: State = load(content)
        else:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:120] or "nothing"
        raise BundleError(
            f"{path}: the weights must be readable, got: {reason}; copy them again, or take them from elsewhere"
        ) from error


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


def write_plain_weights(models: Path) -> dict[str, str]:
    """Write `model.safetensors` beside `model.pt` with the same tensors; the hashes of both, as `metadata.json` notes them.

    Args:
        models: the folder of both.

    Raises:
        BundleError: where model.pt cannot be read.
        DataError: the file cannot be written.
    """
    state = read_state(models / WEIGHTS)
    content = save({name: tensor.contiguous().clone() for name, tensor in state.items()})
    with atomic_path(models / PLAIN_WEIGHTS) as temporary:
        temporary.write_bytes(content)
    return {key: hash_file(models / name) for name, key in HASHES.items()}


def _read_hashes(metadata: Path) -> dict[str, str] | None:
    """SHA-256 by name of the file; None where the weights are not those of a bundle."""
    if not metadata.is_file():
        return None
    try:
        training = json.loads(metadata.read_text(encoding="utf-8")).get("training", {})
        return {name: str(training[key]) for name, key in HASHES.items() if key in training}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BundleError(f"{metadata}: the metadata must be JSON, got: {reason}; restore it") from error


def _check_other(path: Path, found: str, noted: str | None) -> None:
    if found != noted:
        told = "nothing" if noted is None else f"{noted[:12]}..."
        raise BundleError(
            f"{path}: the weights must have the SHA-256 that configs/metadata.json notes ({told}), got {found[:12]}...; "
            "copy the whole bundle again"
        )


def _misfit(path: Path, how: str) -> BundleError:
    return BundleError(
        f"{path}: the weights must fit the network of configs/inference.yaml, {how}; restore that file's "
        "network settings or use the weights they were trained with"
    )
