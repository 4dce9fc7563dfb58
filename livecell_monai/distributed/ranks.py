"""Several processes that train one network together, each with its part of every batch, as torchrun starts them."""

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
from livecell_monai.network import share_network
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.transforms import RankSlice

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  #: variables of the environment in which torchrun tells a process its place
# A process that has died is noticed by what started it and by its closed connections; the others wait as long as the first
# one needs to check, to write the bundle and to send it to a tracker.
PATIENCE = timedelta(days=1)


class Ranks:
    """This process among those that train together; made, it has joined them: by NCCL on CUDA GPUs, by gloo elsewhere.

    Args:
        accelerator: as the setting says; on CUDA GPUs each process takes the one of its own number on the machine.

    Attributes:
        rank: number of the process, from 0.
        world: number of processes.
        spec: of the process's own accelerator.
        share: its rows of every batch.

    Raises:
        SettingError: where the process was not started by torchrun, or its device is not there.
    """

    def __init__(self, accelerator: str = "auto") -> None:
        if any(name not in os.environ for name in NAMES):
            raise SettingError(
                f"configs/multi_gpu_train.yaml must be run by torchrun, which sets {', '.join(NAMES)}, not all are set; "
                "start it by torchrun --nproc_per_node=N -m monai.bundle run, or by livecell train --devices N"
            )
        self.rank, self.world, local = (int(os.environ[name]) for name in NAMES)
        self.spec = choose_spec(accelerator, Accelerator(accelerator).device.type, local, self.world)
        self.device = Accelerator(self.spec).device
        self.share = RankSlice(self.rank, self.world)
        if not distributed.is_initialized():
            self._join()
        idist.sync()  # the engines' metrics are reduced by ignite, and checkpoints and bars are its first process's
        if not self.is_main_process:
            logging.disable(logging.INFO)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the one process that writes."""
        return self.rank == 0

    def _join(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            distributed.init_process_group("nccl", timeout=PATIENCE, device_id=self.device)
        else:
            distributed.init_process_group("gloo", timeout=PATIENCE)

    def share_network(self, network: nn.Module) -> nn.Module:
        """The network with dropout and batch norms that look at the whole batch, in place."""
        return share_network(network, self.rank, self.world, self.device.type == "cuda")

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as the trainer calls it: gradients are averaged over all processes."""
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def total(self, sums: torch.Tensor) -> torch.Tensor:
        """The sums of all processes.

        The gradient is that of this one's part, as often as there are processes: their mean is taken afterwards.
        """
        everywhere = sums.detach().clone()
        distributed.all_reduce(everywhere)
        return everywhere + self.world * (sums - sums.detach())

    def sampler(self, dataset: Sized) -> DistributedSampler | None:
        """This process's part of what is validated, each image in one process; None for all, where there are too few."""
        if len(dataset) < self.world:
            return None
        return DistributedSampler(dataset, False, self.world, self.rank, shuffle=False)

    def wait(self) -> None:
        """Until all processes are here."""
        distributed.barrier()

    def run(self, session: Any) -> Any:
        """Train: the first process runs the session, which tracks and writes, the others follow with the trainer alone.

        Returns:
            What the session gives; of the other processes, the state of the trainer.
        """
        result = session.run() if self.is_main_process else session.follow()
        self.wait()
        return result

    def leave(self) -> None:
        """Leave the others; nothing is shared afterwards."""
        idist.finalize()
        logging.disable(logging.NOTSET)


def check_batch_divides(settings: Mapping[str, Any], processes: int) -> None:
    """Refuse what several processes cannot do as one would.

    Args:
        settings: by name, resolved.
        processes: that train together.

    Raises:
        SettingError: the first setting that stands in the way.
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


def choose_spec(spec: str, kind: str, local: int, world: int) -> str:
    """The accelerator of one of several processes.

    Args:
        spec: of all, as the setting says.
        kind: of the device that this means here: `cpu`, `cuda` or `mps`.
        local: number of the process on its machine, from 0.
        world: number of all processes.

    Raises:
        SettingError: where there is none for this process.
    """
    if kind == "cpu" or (world == 1 and (kind == "mps" or ":" in spec)):
        return spec
    if kind == "mps" or ":" in spec:
        raise SettingError(
            f"setting accelerator must be cpu, cuda or auto where {world} processes train together, got {spec!r}; correct it"
        )
    count = torch.cuda.device_count()
    if local >= count:
        raise SettingError(f"torchrun --nproc_per_node must be at most the number of GPUs, {count}, got more; lower it")
    return f"cuda:{local}{'-fp32' if spec.endswith('-fp32') else ''}"
