"""Where the network runs and in which arithmetic: one setting for processor, CUDA and Apple GPUs."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import nn

from livecell_monai.errors import SettingError
from livecell_monai.heap import keep_freed_memory
from livecell_monai.settings import check_setting


class Accelerator:
    """The device, bf16 where it gains, and channels_last.

    bf16 is chosen by what the hardware says of itself, never by a timing: a timing would choose differently from run to
    run, and the same seed would no longer give the same weights. A processor with AMX gains by it, one with AVX512-bf16
    alone unless it is Intel's, and a CUDA GPU from Ampere on; others stay with float32.

    Args:
        spec: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`; with `-fp32` behind it, bf16 is left out.
        processes: that train together, each on such a one; for the record.

    Attributes:
        device: where tensors lie.
        bf16: whether forward passes run in it.
        compiled: whether the network was compiled for it.

    Raises:
        SettingError: where the spec is unknown or its device is not there.
    """

    def __init__(self, spec: str = "auto", processes: int = 1) -> None:
        name = check_setting("accelerator", spec)
        self.device = _device(name.removesuffix("-fp32"))
        self.bf16 = not name.endswith("-fp32") and _gains_by_bf16(self.device)
        self.compiled = False
        self.processes = processes

    def __str__(self) -> str:
        compiled = ", compiled" if self.compiled else ""
        several = f"{self.processes} x " if self.processes > 1 else ""
        return (
            f"{several}{self.device.type}, {'bf16' if self.bf16 else 'float32'}{compiled}, {torch.get_num_threads()} threads"
        )

    def place(self, network: nn.Module) -> nn.Module:
        """The network, moved to the device in channels_last order, in place."""
        if self.device.type == "cpu":
            keep_freed_memory()
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def autocast(self) -> AbstractContextManager[object]:
        """The context that forward passes run in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def _device(name: str) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, found in there.items() if found)
    kind, _, number = name.partition(":")
    if not there[kind] or (number and int(number) >= torch.cuda.device_count()):
        found = ", ".join(kind for kind, found in there.items() if found)
        raise SettingError(f"setting accelerator must name a device that is there ({found}), got {name!r}; correct it")
    return torch.device(name)


def _gains_by_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        amx, avx512 = (_has(flag) for flag in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
        # Intel's units for AVX512-bf16 are half as fast as those for float32: a Xeon whose virtual machine hides AMX
        is_intel = str(read_capabilities().get("cpu_name", "")).startswith("Intel")
        return amx or (avx512 and not is_intel)
    return False


def _has(flag: str) -> bool:
    # torch's own names for these flags, public since 2.12, came and went before: ask the private ones defensively
    return bool(getattr(torch.cpu, flag, lambda: False)())


def read_capabilities() -> Mapping[str, object]:
    """What the processor says of itself, by torch's names; nothing where torch cannot tell."""
    return getattr(torch.cpu, "get_capabilities", dict)()
