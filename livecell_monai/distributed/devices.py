"""Training on several devices of this machine: a process for each, once all that can be asked ahead of it has been asked."""

import json
import os
from collections.abc import Callable
from typing import Any

import torch

from livecell_monai.bundle.open import OpenBundle
from livecell_monai.distributed.ddp import check_settings
from livecell_monai.errors import SettingError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.runs.processes import count_cores, run_in_processes
from livecell_monai.training.request import check_output_folder
from livecell_monai.training.setup import RunContext


def train_on_devices(
    devices: int, opened: OpenBundle, context: RunContext, train: Callable[..., None], *arguments: Any
) -> dict[str, Any]:
    """Train in several processes.

    Args:
        devices: number of processes, one for each GPU or for a part of the cores.
        opened: the training as one process would open it.
        context: what is handed to it.
        train: what each process does; of a module.
        arguments: of its call.

    Returns:
        What the bundle's metadata says of the training.

    Raises:
        LiveCellError: where the data or a setting breaks a rule; nothing is written then.
    """
    if context.on_epoch is not None:
        raise ValueError("on_epoch must be None where several processes train: they cannot call it")
    check_devices(devices, opened)
    run_in_processes(devices, train, *arguments)
    metadata = json.loads((opened.output_dir / "configs" / "metadata.json").read_text(encoding="utf-8"))
    training: dict[str, Any] = metadata["training"]
    return training


def check_device_count(devices: int) -> None:
    """Refuse what is no number of devices, and several processes that know nothing of each other.

    Raises:
        SettingError: where it is so.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:  # each would train for itself, into the same folder
        raise SettingError(
            "livecell train must not be run by torchrun, it starts its processes itself; give it --devices N, or run "
            "configs/multi_gpu_train.yaml by torchrun -m monai.bundle run"
        )
    if isinstance(devices, bool) or not isinstance(devices, int) or devices < 1:
        raise SettingError(f"--devices must be a whole number of 1 or more, got {devices!r}; correct it")


def check_devices(devices: int, opened: OpenBundle) -> None:
    """Refuse a number of devices that cannot be, or a training that they cannot share, with nothing written.

    Args:
        devices: number of processes.
        opened: the training.

    Raises:
        LiveCellError: what stands in the way.
    """
    device = Accelerator(opened.settings["accelerator"]).device
    most, what = (torch.cuda.device_count(), "GPUs") if device.type == "cuda" else (count_cores(), "cores")
    if devices > most:
        raise SettingError(f"--devices must be at most the number of {what} that are there, {most}, got {devices}; lower it")
    check_settings(opened.settings, devices)
    check_output_folder(opened.output_dir, opened.settings["resume"])
    opened.check_training()
