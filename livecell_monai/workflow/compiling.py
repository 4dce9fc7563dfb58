"""What makes a training step faster on this machine: timed once by `livecell probe`, kept, and followed from then on.

A timing at the start of each training would choose now this and now that, and the same seed would give other weights.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from livecell_monai.data.writing import atomic_path
from livecell_monai.errors import SettingError
from livecell_monai.network import SegmentationLoss
from livecell_monai.workflow.accelerator import Accelerator
from livecell_monai.workflow.inferers import PatchInferer

GAIN = 1.1  # of the compiled step over the other, for `auto` to compile
LEAST_MINUTES = 5.0  # of a budget, for `auto` to compile: that takes up to a minute itself
BATCH = (16, 1, 256, 256)
SECONDS = 4.0  # of timing each way


@dataclass(frozen=True)
class Timing:
    """One way of doing a training step.

    Attributes:
        way: in words.
        samples_per_s: patches of 256 x 256 in batches of 16.
        first_s: seconds of the first step, compiling included.
    """

    way: str
    samples_per_s: float
    first_s: float


def compile_network(
    network: nn.Module, accelerator: Accelerator, setting: bool | str = "auto", minutes: float = 0.0
) -> bool:
    """Compile a network in place by `torch.compile` where that is asked for or known to gain; its weights keep their names.

    Args:
        network: what is trained.
        accelerator: what it was placed on; notes that it was compiled.
        setting: True, False, or `auto` for where a probe of this machine has found that it gains.
        minutes: of the budget; 0 for none.

    Raises:
        SettingError: where the setting is none of these, or true on a processor without a C++ compiler.
    """
    if not isinstance(setting, bool) and setting != "auto":
        raise SettingError(f"setting compile must be true, false or auto, got {setting!r}; correct it")
    if setting == "auto":
        known = recall(accelerator)
        is_worth_it = minutes == 0 or minutes >= LEAST_MINUTES
        setting = is_worth_it and known is not None and can_compile(accelerator) and _gain(known) >= GAIN
    elif setting and not can_compile(accelerator):
        raise SettingError(
            "setting compile must be false or auto where there is no C++ compiler (g++), got true; correct it"
        )
    if setting:
        network.compile()
        accelerator.compiled = True
    return bool(setting)


def can_compile(accelerator: Accelerator) -> bool:
    """Whether what torch.compile needs is there: on a processor, a C++ compiler."""
    return accelerator.device.type != "cpu" or shutil.which(os.environ.get("CXX", "g++")) is not None


def probe(make_network: Callable[[], nn.Module], seconds: float = SECONDS) -> list[Timing]:
    """Time a training step as it is without bf16, as it is, and compiled, and keep the result for this machine.

    Args:
        make_network: gives a new network.
        seconds: of timing each way, after the first step.
    """
    ways = [("float32", "auto-fp32", False), ("as it is", "auto", False), ("compiled", "auto", True)]
    timings = []
    for way, spec, is_compiled in ways:
        accelerator = Accelerator(spec)
        if is_compiled and not can_compile(accelerator):
            continue
        network = accelerator.place(make_network())
        if is_compiled:
            network.compile()
        first_s, samples_per_s = _time_steps(network, accelerator, seconds)
        timings.append(Timing(f"{way} ({accelerator})", samples_per_s, first_s))
    everything = _read_records()
    everything[_name_machine(Accelerator())] = [asdict(timing) for timing in timings]
    path = record_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    return timings


def recall(accelerator: Accelerator) -> list[Timing] | None:
    """What a probe of this machine, with this torch and as many threads, has found; None where there was none."""
    found = _read_records().get(_name_machine(accelerator))
    return None if found is None else [Timing(**timing) for timing in found]


def record_path() -> Path:
    """Where probes are kept: `livecell-monai/probe.json` in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "livecell-monai" / "probe.json"


def _gain(timings: list[Timing]) -> float:
    rates = {timing.way.split(" (")[0]: timing.samples_per_s for timing in timings}
    return rates.get("compiled", 0.0) / rates["as it is"]


def _read_records() -> dict[str, list[dict[str, Any]]]:
    try:
        read = json.loads(record_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _name_machine(accelerator: Accelerator) -> str:
    if accelerator.device.type == "cuda":
        processor = torch.cuda.get_device_name(accelerator.device)
    else:
        processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {os.cpu_count()}"
    return f"{platform.node()}, {processor}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _time_steps(network: nn.Module, accelerator: Accelerator, seconds: float) -> tuple[float, float]:
    """(seconds of the first step, samples per second of the others)."""
    forward, loss = PatchInferer(accelerator), SegmentationLoss("dice_bce")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    images = torch.rand(BATCH, device=accelerator.device)
    label = (images > 0.8).float()
    network.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        value = loss(forward(images, network), label)
        value.backward()
        optimizer.step()
        value.item()  # waits for a GPU

    start = time.perf_counter()
    step()
    first_s = time.perf_counter() - start
    step()
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < seconds:
        step()
        count += 1
    return first_s, count * BATCH[0] / (time.perf_counter() - start)
