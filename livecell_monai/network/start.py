"""A start: weights of a network that has seen cells, from which a training begins instead of from random ones.

The file is safetensors in half precision. Its header holds what the weights fit and what they expect, as JSON.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from livecell_monai.data.dataset.seen import Seen
from livecell_monai.errors import DataError, LiveCellError, describe_error
from livecell_monai.network.heads import Head
from livecell_monai.network.unet import UNet
from livecell_monai.runs.atomic import write_file

SHAPE = ("filters", "convolutions", "down", "residual", "stem_stride", "norm")  #: settings that the weights depend on
MAX_BYTES = 2**28
_LAST = "output."  # the layer that makes the maps
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Start:
    """Weights, and the network that they are for."""

    weights: State  #: of a `UNet`, float32
    network: dict[str, Any]  #: its arguments by name: those of `SHAPE`, and `dropout` if it is not the default
    head: list[str]  #: its maps, see `Head`
    diameter: float  #: of the typical cell that it expects [px at the working scale]

    def check_weights(self) -> None:
        """Check that the weights are those of the network; a SettingError, TypeError or RuntimeError if they are not."""
        with torch.device("meta"):  # takes no memory, and draws no random numbers
            network = UNet(**self.network, channels=len(Head(self.head).outputs))
        network.load_state_dict(self.weights, assign=True)


@dataclass(frozen=True)
class StartFile:
    """A start as it was read, with where it came from."""

    start: Start
    sha256: str  #: of the file
    facts: dict[str, str]  #: what the card says, by name
    seen: Seen = field(default_factory=dict)  #: the parts of annotated images that its bundle was trained on


def find_shipped_start() -> Path | None:
    """The file of the start that this installation ships; None without one."""
    path = Path(str(files("livecell_monai").joinpath("weights", "start.safetensors")))
    return path if path.is_file() else None


def write_start(path: str | Path, start: Start, facts: Mapping[str, str]) -> None:
    """Write a start, its numbers in half precision, with facts for its card.

    Raises a ValueError if the weights are not those of the network or too large for half precision, and a DataError if the
    file cannot be written. The same start gives the same bytes.
    """
    missing = [name for name in SHAPE if name not in start.network]
    if missing:
        raise ValueError(f"a start must name its network, {', '.join(missing)} missing")
    try:
        start.check_weights()
    except (LiveCellError, RuntimeError, TypeError) as error:
        raise ValueError(f"the weights of a start must be those of its network: {error}") from error
    halved = {name: _halve(tensor) for name, tensor in sorted(start.weights.items())}
    unfit = [name for name, tensor in halved.items() if not torch.isfinite(tensor).all()]
    if unfit:
        raise ValueError(f"the weights of a start must be finite in half precision, {unfit[0]} is not")
    header = {"network": start.network, "head": start.head, "diameter": start.diameter, "facts": dict(facts)}
    texts = {name: json.dumps(value, sort_keys=True) for name, value in header.items()}
    write_file(Path(path), _sort_header(save(halved, texts)))


def read_start(path: str | Path) -> Start:
    """The start in a file; errors as of `read_start_file`."""
    return read_start_file(path).start


def read_start_file(path: str | Path) -> StartFile:
    """The start in a file, its SHA-256 and its facts.

    Raises a DataError if the file is missing, damaged, too large, or its weights are not those of its network.
    """
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{size:,} bytes, at most {MAX_BYTES:,} are allowed")
        content = Path(path).read_bytes()
        weights = {name: _widen(tensor) for name, tensor in load(content).items()}
        texts = _split_header(content)[0].get("__metadata__", {})
        if "network" not in texts:
            raise ValueError("weights that do not say which network they are for")
        header = {name: json.loads(text) for name, text in texts.items()}
        start = Start(weights, dict(header["network"]), list(header["head"]), float(header["diameter"]))
        facts = {str(name): str(value) for name, value in header["facts"].items()}
        if not 0 < start.diameter < float("inf"):
            raise ValueError(f"a diameter of {start.diameter}")
        start.check_weights()
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        raise _unreadable(path, describe_error(error)) from error
    except LiveCellError as error:
        raise _unreadable(path, str(error)) from error
    return StartFile(start, hashlib.sha256(content).hexdigest(), facts)


def explain_mismatch(start: Start, settings: Mapping[str, Any]) -> str | None:
    """Why the weights of a start do not fit the network of some settings (`SHAPE` and `maps`), in words; None if they fit.

    They fit if the settings of `SHAPE` are the same, and the start has all maps of the network.
    """
    for name in SHAPE:
        if settings[name] != start.network[name]:
            return f"{name} is {_show(settings[name])}, that of the start {_show(start.network[name])}"
    missing = [name for name in settings["maps"] if name not in start.head]
    return f"maps has {', '.join(missing)}, which the start lacks" if missing else None


def load_start(network: UNet, maps: list[str], start: Start) -> UNet:
    """Load a start that fits into a network with these maps, in place, and return the network.

    The last layer has a group of channels for each output. The network takes those of its own outputs.
    """
    outputs = Head(start.head).outputs
    squares = len(start.weights[f"{_LAST}bias"]) // len(outputs)
    rows = [outputs.index(name) * squares + part for name in Head(maps).outputs for part in range(squares)]
    last = {name: tensor[rows] for name, tensor in start.weights.items() if name.startswith(_LAST)}
    network.load_state_dict({**start.weights, **last})
    return network


def _halve(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.detach().cpu()
    return (plain.half() if plain.is_floating_point() else plain).contiguous().clone()


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _split_header(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, JSON behind its length in 8 bytes, and the bytes of the tensors."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def _sort_header(content: bytes) -> bytes:
    """The file with its metadata in order of name: safetensors writes them in random order."""
    header, tensors = _split_header(content)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors stay aligned
    return len(text).to_bytes(8, "little") + text + tensors


def _unreadable(path: str | Path, reason: str) -> DataError:
    return DataError(f"{path}: a start must be a file that livecell pretrain has written, got: {reason}; copy it again")


def _show(value: Any) -> str:
    return json.dumps(value)
