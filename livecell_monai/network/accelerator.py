"""The device of the network, its arithmetic and its memory: CPU, CUDA GPU or Apple GPU."""

import ctypes
from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import nn

from livecell_monai.errors import SettingError
from livecell_monai.heap import keep_freed_memory
from livecell_monai.settings import check_setting


class Accelerator:
    """The device, bf16 if it is faster there, and channels_last.

    bf16 is used on CPUs with AMX, on CPUs with AVX512-bf16 that are not from Intel, and on CUDA GPUs from Ampere on. The
    choice depends on the hardware alone and not on a timing, so that the same seed gives the same weights.

    Args:
        spec: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`; `-fp32` at the end forbids bf16.
        processes: number of processes that train together, for the record.

    Raises a SettingError if the spec is unknown, or there is no such device.
    """

    def __init__(self, spec: str = "auto", processes: int = 1) -> None:
        name = check_setting("accelerator", spec)
        self.device = _device(name.removesuffix("-fp32"))
        self.bf16 = not name.endswith("-fp32") and _gains_by_bf16(self.device)
        self.compiled = False  # set by whoever compiles the network
        self.processes = processes

    def __str__(self) -> str:
        compiled = ", compiled" if self.compiled else ""
        several = f"{self.processes} x " if self.processes > 1 else ""
        arithmetic = "bf16" if self.bf16 else "float32"
        return f"{several}{self.device.type}, {arithmetic}{compiled}, {torch.get_num_threads()} threads"

    def place(self, network: nn.Module) -> nn.Module:
        """Move the network to the device, in channels_last order."""
        if self.device.type == "cpu":
            keep_freed_memory()
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def autocast(self) -> AbstractContextManager[object]:
        """The context for forward passes."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def _device(name: str) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, found in there.items() if found)
    kind, _, number = name.partition(":")
    if not there[kind] or (number and int(number) >= torch.cuda.device_count()):
        found = ", ".join(kind for kind, found in there.items() if found)
        raise SettingError(f"setting accelerator must name an existing device ({found}), got {name!r}; correct it")
    return torch.device(name)


def _gains_by_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # torch's own names for these flags, private and not in every version
        names = "_is_amx_tile_supported", "_is_avx512_bf16_supported"
        amx, avx512 = (bool(getattr(torch.cpu, name, lambda: False)()) for name in names)
        # Intel's AVX512-bf16 is half as fast as its float32: on a Xeon whose virtual machine hides AMX
        is_intel = str(read_capabilities().get("cpu_name", "")).startswith("Intel")
        return amx or (avx512 and not is_intel)
    return False


def read_capabilities() -> Mapping[str, object]:
    """Properties of the CPU by torch's names; empty if torch does not know them."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def release_memory(device: torch.device) -> None:
    """Return freed memory to the system, which torch or glibc keeps in pieces of the wrong size."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc only
        trim(0)
