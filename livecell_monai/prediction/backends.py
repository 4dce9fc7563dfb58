"""The backend that runs the network in prediction: PyTorch, or OpenVINO in 8-bit integers."""

import json
import platform
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from livecell_monai.errors import BundleError, SettingError
from livecell_monai.network import Ensemble, Range, UNet
from livecell_monai.network.accelerator import Accelerator, read_capabilities
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.settings import check_setting

#: instructions that add 8-bit products without overflow
EXACT = ("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8")


def choose_backend(network: UNet | Ensemble, backend: str, accelerator: Accelerator, checkpoint: str | Path) -> nn.Module:
    """Let a backend run a network, in place, and return the network.

    The network is in evaluation mode, with loaded weights and fused batch norms. `int8` is OpenVINO with most convolutions
    in 8-bit integers; the ranges of the maps are in the metadata of the bundle whose checkpoint is given.

    Raises:
        SettingError: the backend is unknown, not installed, or not for this device or processor.
        BundleError: the bundle has no ranges of the maps.
    """
    check_setting("backend", backend)
    if backend == "torch":
        return network
    _check_machine(accelerator)
    ranges = read_ranges(Path(checkpoint).parent.parent / "configs" / "metadata.json")
    try:
        from livecell_monai.network.int8 import build_model, compile_model
    except ImportError as error:
        reason = " ".join(str(error).split())[:100]
        raise SettingError(
            f"setting backend=int8 needs the library openvino, which cannot be imported ({reason}); "
            "pip install 'livecell-monai[openvino]'"
        ) from error
    try:
        model = build_model(network, ranges)
    except KeyError as error:
        raise BundleError(
            f"{checkpoint}: backend=int8 needs the range of each map in configs/metadata.json, {error.args[0]} has none; "
            "use backend=torch, or train again"
        ) from error
    network.forward = _Runner(partial(compile_model, model, bf16=accelerator.bf16))  # type: ignore[method-assign]
    return network


class _Runner:
    """Runs a compiled model; each thread that calls at the same time has its own copy, with as many threads as torch has."""

    def __init__(self, compile: Callable[..., Any]) -> None:
        self.compile = compile
        self.idle: dict[int, list[Any]] = defaultdict(list)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of images (B, 1, Y, X) float32."""
        threads = torch.get_num_threads()
        try:
            request = self.idle[threads].pop()
        except IndexError:
            request = self.compile(threads=threads)
        found = request.infer({0: image.contiguous().numpy()}, share_inputs=True)[0]
        self.idle[threads].append(request)
        return torch.from_numpy(found)


def _check_machine(accelerator: Accelerator) -> None:
    if accelerator.device.type != "cpu":
        raise SettingError(
            f"setting backend=int8 needs a CPU, the network is on {accelerator.device.type}; set backend=torch, or "
            "accelerator=cpu"
        )
    found = read_capabilities()
    if platform.machine() in ("x86_64", "AMD64") and not any(found.get(name) for name in EXACT):
        raise SettingError(
            "setting backend=int8 needs a processor with VNNI, on which 8-bit products cannot overflow, this one has none; "
            "set backend=torch"
        )


def read_ranges(metadata: Path) -> dict[str, Range]:
    """The ranges of the maps of a bundle, from its metadata file; a BundleError if they are missing or invalid."""
    try:
        ranges = json.loads(metadata.read_text(encoding="utf-8"))["training"][RANGES]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BundleError(
            f"{metadata}: backend=int8 needs the ranges of the network's maps ({RANGES}), they are missing; use "
            "backend=torch, or train again"
        ) from error
    if not isinstance(ranges, Mapping) or not all(map(_is_range, ranges.values())):
        raise BundleError(
            f"{metadata}: {RANGES} must be two finite numbers for each map, the lower one first; restore the file, or use "
            "backend=torch"
        )
    return {name: (float(ends[0]), float(ends[1])) for name, ends in ranges.items()}


def _is_range(ends: Any) -> bool:
    is_pair = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
    return is_pair and -1e30 < ends[0] <= ends[1] < 1e30
