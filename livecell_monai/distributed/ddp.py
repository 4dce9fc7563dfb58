"""Data-parallel training: several processes, started by torchrun or by `train_on_devices`, train one network together."""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sized
from datetime import timedelta
from typing import Any

import torch
from ignite import distributed as idist
from monai.data import DistributedSampler
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from livecell_monai.bundle.open import OpenBundle
from livecell_monai.errors import SettingError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.runs.processes import count_cores, run_in_processes
from livecell_monai.training.request import check_output_folder
from livecell_monai.training.setup import RunContext

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  #: environment variables of torchrun
# Others notice a dead process by its closed connections. They must wait as long as the main process needs to check the data,
# to write the bundle and to upload it.
TIMEOUT = timedelta(days=1)


class ProcessGroup:
    """The processes that train together; the constructor joins them, with NCCL on CUDA GPUs and gloo elsewhere.

    The settings, resolved, are `accelerator` and those of `check_settings`. `spec` is the accelerator of this process.

    Raises:
        SettingError: torchrun did not start this process, its device is missing, or a setting forbids several processes.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if any(name not in os.environ for name in VARIABLES):
            raise SettingError(
                f"configs/multi_gpu_train.yaml must be run by torchrun, which sets {', '.join(VARIABLES)}, not all are set; "
                "start it by torchrun --nproc_per_node=N -m monai.bundle run, or by livecell train --devices N"
            )
        self.rank, self.world_size, local_rank = (int(os.environ[name]) for name in VARIABLES)
        check_settings(settings, self.world_size)
        accelerator = settings["accelerator"]
        self.spec = choose_spec(accelerator, Accelerator(accelerator).device.type, local_rank, self.world_size)
        self.device = Accelerator(self.spec).device
        if not distributed.is_initialized():
            self._join()
        idist.sync()  # ignite reduces metrics over the group
        if not self.is_main_process:
            logging.disable(logging.INFO)

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes files, tracks the run and shows progress."""
        return self.rank == 0

    def _join(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            distributed.init_process_group("nccl", timeout=TIMEOUT, device_id=self.device)
        else:  # idist.initialize would choose a GPU if there is one
            distributed.init_process_group("gloo", timeout=TIMEOUT)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network for the trainer: with averaged gradients, and on CUDA with batch norms over all processes."""
        if self.device.type != "cuda":
            return DistributedDataParallel(network)
        if self.world_size > 1:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(network, device_ids=[self.device])

    def sampler(self, dataset: Sized) -> DistributedSampler | None:
        """The validation images of this process; None, for all images, if there are fewer images than processes."""
        if len(dataset) < self.world_size:
            return None
        return DistributedSampler(dataset, False, self.world_size, self.rank, shuffle=False)

    def run(self, session: Any) -> Any:
        """Train after all processes have finished their checks; only the main process runs the session, which writes."""
        distributed.barrier()
        result = session.run() if self.is_main_process else session.follow()
        distributed.barrier()
        return result

    def leave(self) -> None:
        """Leave the group."""
        idist.finalize()
        logging.disable(logging.NOTSET)


def train_on_devices(
    devices: int, opened: OpenBundle, context: RunContext, train: Callable[..., None], *arguments: Any
) -> dict[str, Any]:
    """Train in several processes of this machine, one for each GPU or for a part of the cores; the metadata of the training.

    `train`, a function of a module, is called in each process with the arguments; the opened bundle is for checks.

    Raises a LiveCellError if the data or a setting is invalid; nothing is written then.
    """
    if context.on_epoch is not None:
        raise ValueError("on_epoch must be None for several processes: they cannot call it")
    check_devices(devices, opened)
    run_in_processes(devices, train, *arguments)
    metadata = json.loads((opened.output_dir / "configs" / "metadata.json").read_text(encoding="utf-8"))
    training: dict[str, Any] = metadata["training"]
    return training


def check_device_count(devices: int) -> None:
    """Check that a number of devices is valid, and that torchrun did not start this process; else a SettingError."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # each process would train alone, into the same folder
        raise SettingError(
            "livecell train must not be run by torchrun, it starts its processes itself; give it --devices N, or run "
            "configs/multi_gpu_train.yaml by torchrun -m monai.bundle run"
        )
    if isinstance(devices, bool) or not isinstance(devices, int) or devices < 1:
        raise SettingError(f"--devices must be a whole number of 1 or more, got {devices!r}; correct it")


def check_devices(devices: int, opened: OpenBundle) -> None:
    """Check that this machine has enough devices, and that they can share a training; else a LiveCellError."""
    device = Accelerator(opened.settings["accelerator"]).device
    most, kind = (torch.cuda.device_count(), "GPUs") if device.type == "cuda" else (count_cores(), "cores")
    if devices > most:
        raise SettingError(f"--devices must be at most the number of {kind}, {most}, got {devices}; lower it")
    check_settings(opened.settings, devices)
    check_output_folder(opened.output_dir, opened.settings["resume"])
    opened.check_training()


def check_settings(settings: Mapping[str, Any], processes: int) -> None:
    """Check that so many processes can train together with these resolved settings; else a SettingError."""
    if processes == 1:
        return
    kind = Accelerator(settings["accelerator"]).device.type
    rules = [
        (settings["batch_size"] % processes == 0, "batch_size", f"a multiple of {processes}"),
        (settings["augmentation"] == "patches", "augmentation", "patches"),
        (settings["split"] != "original", "split", "another one, since original validates on training patches,"),
        (settings["compile"] is not True, "compile", "false"),
        (kind == "cuda" or settings["norm"] == "instance", "norm", "instance without a CUDA GPU"),
    ]
    for holds, name, rule in rules:
        if not holds:
            raise SettingError(
                f"setting {name} must be {rule} if {processes} processes train together, got {settings[name]!r}; "
                f"correct it (--set {name}=...) or train on one device"
            )


def choose_spec(spec: str, kind: str, local_rank: int, world_size: int) -> str:
    """The accelerator of one process, from the setting `accelerator` and its device type, else a SettingError."""
    if kind == "cpu" or (world_size == 1 and (kind == "mps" or ":" in spec)):
        return spec
    if kind == "mps" or ":" in spec:
        raise SettingError(
            f"setting accelerator must be cpu, cuda or auto if {world_size} processes train, got {spec!r}; correct it"
        )
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise SettingError(f"torchrun --nproc_per_node must be at most the number of GPUs, {count}, got more; lower it")
    return f"cuda:{local_rank}{'-fp32' if spec.endswith('-fp32') else ''}"
