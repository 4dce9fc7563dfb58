"""What makes a training step faster on this machine: timed once by `livecell probe`, kept, and followed from then on.

A timing at the start of each training would choose now this and now that, and the same seed would give other weights.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.network import SegmentationLoss
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.window_inferer import PatchInferer
from livecell_monai.runs.atomic import atomic_path, make_folder

GAIN = 1.1  # of the compiled step over the other, for `auto` to compile
LEAST_MINUTES = 5.0  # of a budget, for `auto` to compile: that takes up to a minute itself
BATCH = (16, 1, 256, 256)
SECONDS = 3.0  # of timing each way


@dataclass(frozen=True)
class Timing:
    """One way of doing a training step.

    Attributes:
        way: `float32`, `as it is` or `compiled`.
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
        SettingError: where the setting is none of these, or true where torch.compile does not work.
    """
    if setting == "auto":
        is_worth_it = minutes == 0 or minutes >= LEAST_MINUTES
        setting = is_worth_it and can_compile(accelerator) and _gain(recall(network, accelerator)) >= GAIN
    elif setting:
        _try_compiling(accelerator)
    if setting:
        network.compile()
        accelerator.compiled = True
    return bool(setting)


def can_compile(accelerator: Accelerator) -> bool:
    """Whether torch.compile may work here: on a CUDA GPU, and on a processor where there is a C++ compiler."""
    kind = accelerator.device.type
    return kind == "cuda" or (kind == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is not None)


def probe(make_network: Callable[[], nn.Module], spec: str = "auto", seconds: float = SECONDS) -> list[Timing]:
    """Time a training step in float32, as it is, and compiled, and keep the result for this machine and network.

    Args:
        make_network: gives a new network.
        spec: of the accelerator.
        seconds: of timing each way, after the first step.

    Returns:
        Each way; without the compiled one where torch.compile does not work.

    Raises:
        SettingError: where there is no such accelerator.
        DataError: where the cache folder cannot be written to.
    """
    accelerator = Accelerator(spec)
    make_folder(record_path().parent)
    full = Accelerator(spec.removesuffix("-fp32") + "-fp32")
    timings = [_time_way("float32", make_network, full, seconds), _time_way("as it is", make_network, accelerator, seconds)]
    with suppress(SettingError):
        _try_compiling(accelerator)
        timings.append(_time_way("compiled", make_network, accelerator, seconds))
    found = [asdict(timing) for timing in timings]
    with atomic_path(record_path()) as temporary:
        records = {**_read_records(), _name_record(make_network(), accelerator): found}
        temporary.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    return timings


def recall(network: nn.Module, accelerator: Accelerator) -> list[Timing]:
    """What a probe of this network on this machine, with this torch and as many threads, has found; [] without one."""
    found = _read_records().get(_name_record(network, accelerator), [])
    try:
        return [Timing(str(one["way"]), float(one["samples_per_s"]), float(one["first_s"])) for one in found]
    except (TypeError, KeyError, ValueError):
        return []


def record_path() -> Path:
    """Where probes are kept: `probe.json` in the folder LIVECELL_CACHE, or else in livecell-monai in the user's cache."""
    if given := os.environ.get("LIVECELL_CACHE"):
        return Path(given) / "probe.json"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path("~/.cache").expanduser()) / "livecell-monai" / "probe.json"


def _gain(timings: list[Timing]) -> float:
    """Of the compiled step over the other; 0 where that is not known."""
    rates = {timing.way: timing.samples_per_s for timing in timings}
    return rates.get("compiled", 0.0) / rates["as it is"] if rates.get("as it is") else 0.0


def _read_records() -> dict[str, Any]:
    try:
        read = json.loads(record_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # the last where nobody knows a home folder
        return {}
    return read if isinstance(read, dict) else {}


def _name_record(network: nn.Module, accelerator: Accelerator) -> str:
    if accelerator.device.type == "cuda":
        processor = torch.cuda.get_device_name(accelerator.device)
    else:
        processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {os.cpu_count()}"
    parameters = sum(parameter.numel() for parameter in network.parameters())
    plain = f"{accelerator.device.type} {'bf16' if accelerator.bf16 else 'float32'} {torch.get_num_threads()} threads"
    return f"{platform.node()}, {processor}, {plain}, torch {torch.__version__}, {parameters} parameters"


def _try_compiling(accelerator: Accelerator) -> None:
    """Compile something small: what torch.compile lacks is told ahead of a training, not by its first step.

    Raises:
        SettingError: where it cannot work, or fails.
    """
    if not can_compile(accelerator):
        raise SettingError(
            "setting compile must be false or auto where there is no C++ compiler (g++), got true; correct it"
        )
    small = nn.Linear(2, 2).to(accelerator.device)
    small.compile()
    try:
        small(torch.ones(1, 2, device=accelerator.device)).sum().backward()
    except Exception as error:  # of many kinds: no headers, no Triton, a compiler that is too old
        reason = " ".join(str(error).split())[:120]
        raise SettingError(
            f"setting compile must be false where torch.compile does not work ({reason}), got true"
        ) from error


def _time_way(way: str, make_network: Callable[[], nn.Module], accelerator: Accelerator, seconds: float) -> Timing:
    network = accelerator.place(make_network())
    if way == "compiled":
        network.compile()
    first_s, samples_per_s = _time_steps(network, accelerator, seconds)
    return Timing(way, samples_per_s, first_s)


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


def probe_machine(settings: Mapping[str, Any] | None = None) -> list[Timing]:
    """Time the training step of the bundle's network on this machine, and keep the result.

    Args:
        settings: values over those of the configs; those of the network matter.

    Raises:
        LiveCellError: where a setting breaks a rule.
    """
    paths = {"dataset_dir": "unused", "output_dir": "unused"}

    def make_network() -> nn.Module:
        return open_bundle(find_template(), ["inference"], settings, paths).network_def

    return probe(make_network, str((settings or {}).get("accelerator", "auto")))
