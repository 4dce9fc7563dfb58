"""Data-parallel training: several processes, started by torchrun or by `run_in_processes`, train one network together."""

import logging
import os
from collections.abc import Mapping, Sized
from datetime import timedelta
from typing import Any

import torch
from ignite import distributed as idist
from monai.data import DistributedSampler
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from livecell_monai.errors import SettingError
from livecell_monai.network.accelerator import Accelerator

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  #: environment variables by which torchrun gives a process its place
# A dead process is noticed by its launcher and by its closed connections. The others wait as long as the main process
# needs to check the data, to write the bundle and to upload it.
TIMEOUT = timedelta(days=1)


class ProcessGroup:
    """This process and those that train with it; the constructor joins them, by NCCL on CUDA GPUs and by gloo elsewhere.

    Args:
        settings: by name, resolved: `accelerator` and those that `check_settings` checks.

    Attributes:
        rank: number of the process, from 0; 0 is the main process.
        world_size: number of processes.
        spec: accelerator of this process; on CUDA GPUs the one of its number on the machine.

    Raises:
        SettingError: the process was not started by torchrun, its device is missing, or a setting does not allow several
            processes.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if any(name not in os.environ for name in NAMES):
            raise SettingError(
                f"configs/multi_gpu_train.yaml must be run by torchrun, which sets {', '.join(NAMES)}, not all are set; "
                "start it by torchrun --nproc_per_node=N -m monai.bundle run, or by livecell train --devices N"
            )
        self.rank, self.world_size, local = (int(os.environ[name]) for name in NAMES)
        check_settings(settings, self.world_size)
        accelerator = settings["accelerator"]
        self.spec = choose_spec(accelerator, Accelerator(accelerator).device.type, local, self.world_size)
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
        else:  # idist.initialize would choose a GPU wherever there is one
            distributed.init_process_group("gloo", timeout=TIMEOUT)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as the trainer calls it: gradients are averaged; on CUDA batch norms use the statistics of all."""
        if self.device.type != "cuda":
            return DistributedDataParallel(network)
        if self.world_size > 1:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(network, device_ids=[self.device])

    def sampler(self, dataset: Sized) -> DistributedSampler | None:
        """This process's validation images, none twice; None, for all images, if there are fewer than processes."""
        if len(dataset) < self.world_size:
            return None
        return DistributedSampler(dataset, False, self.world_size, self.rank, shuffle=False)

    def run(self, session: Any) -> Any:
        """Train: the main process runs the session, which tracks and writes; the others run the trainer alone.

        Nothing is written before all processes have finished their checks.

        Returns:
            The session's result; in other processes the state of the trainer.
        """
        distributed.barrier()
        result = session.run() if self.is_main_process else session.follow()
        distributed.barrier()
        return result

    def leave(self) -> None:
        """Leave the group."""
        idist.finalize()
        logging.disable(logging.NOTSET)


def check_settings(settings: Mapping[str, Any], processes: int) -> None:
    """Check that several processes can train with these settings.

    Args:
        settings: by name, resolved.
        processes: number of processes that train together.

    Raises:
        SettingError: the first setting that does not allow it.
    """
    if processes == 1:
        return
    kind = Accelerator(settings["accelerator"]).device.type
    rules = [
        (settings["batch_size"] % processes == 0, "batch_size", f"a multiple of {processes}"),
        (settings["augmentation"] == "patches", "augmentation", "patches"),
        (settings["split"] != "original", "split", "another one, since original validates on what is drawn in training,"),
        (settings["compile"] is not True, "compile", "false"),
        (kind == "cuda" or settings["norm"] == "instance", "norm", "instance where there is no CUDA GPU"),
    ]
    for holds, name, rule in rules:
        if not holds:
            raise SettingError(
                f"setting {name} must be {rule} where {processes} processes train together, got {settings[name]!r}; "
                f"correct it (--set {name}=...) or train on one device"
            )


def choose_spec(spec: str, kind: str, local: int, world_size: int) -> str:
    """The accelerator of one of several processes.

    Args:
        spec: the setting `accelerator`.
        kind: device type that it means here: `cpu`, `cuda` or `mps`.
        local: number of the process on its machine, from 0.
        world_size: number of all processes.

    Raises:
        SettingError: there is no accelerator for this process.
    """
    if kind == "cpu" or (world_size == 1 and (kind == "mps" or ":" in spec)):
        return spec
    if kind == "mps" or ":" in spec:
        raise SettingError(
            f"setting accelerator must be cpu, cuda or auto where {world_size} processes train together, got {spec!r}; "
            "correct it"
        )
    count = torch.cuda.device_count()
    if local >= count:
        raise SettingError(f"torchrun --nproc_per_node must be at most the number of GPUs, {count}, got more; lower it")
    return f"cuda:{local}{'-fp32' if spec.endswith('-fp32') else ''}"
