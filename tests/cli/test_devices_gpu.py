"""`livecell train --devices 2` with batch norms synchronised on GPUs, against one process with the same batches.

NCCL wants a GPU for each process. Where there is one alone both processes take it, and speak by gloo.
"""

from pathlib import Path

import pytest
import torch
from torch import distributed

from livecell_monai import tasks
from livecell_monai.distributed import ddp
from tests.support.commands import livecell, small
from tests.support.gpus import NEEDS_GPU
from tests.support.small_training import read_history
from tests.support.worlds import write_folder

pytestmark = NEEDS_GPU
SETTINGS = {
    "norm": "batch",
    "epochs": 3,
    "samples_per_epoch": 24,
    "batch_size": 8,
    "lr": 0.01,
    "checkpoint_selection": "last",
}


def share_one_gpu(given, handed):
    """As each process trains, but on the first GPU, by gloo."""

    def join(self):
        torch.cuda.set_device(self.device)
        distributed.init_process_group("gloo")

    ddp.ProcessGroup._join = join
    ddp.choose_spec = lambda spec, kind, local, world: f"cuda:0{'-fp32' if spec.endswith('-fp32') else ''}"
    tasks._train_together(given, handed)


def share_and_record_norms(given, handed):
    """The same; each process also writes the kinds of the layers that it has trained."""
    whole = ddp.ProcessGroup.wrap

    def wrap(self, network):
        wrapped = whole(self, network)
        kinds = sorted({type(part).__name__ for part in wrapped.modules()})
        (Path(given[1]).parent / f"layers {self.rank}").write_text(" ".join(kinds), encoding="utf-8")
        return wrapped

    ddp.ProcessGroup.wrap = wrap
    share_one_gpu(given, handed)


def train_with(root, name, *options, **settings):
    given = small(**SETTINGS, **settings)
    outcome = livecell("train", root / "data", "--output", root / name, *options, *given)
    assert outcome.code == 0, outcome
    return read_history(root / name)


@pytest.mark.parametrize("spec", ["cuda-fp32", "cuda"])
def test_losses_are_close_to_those_of_one_process_and_batch_norms_are_synchronised(tmp_path, monkeypatch, spec):
    write_folder(tmp_path / "data", borders=True)
    one = train_with(tmp_path, "one", accelerator=spec)
    if torch.cuda.device_count() < 2:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(tasks, "_train_together", share_and_record_norms)
    two = train_with(tmp_path, "two", "--devices", 2, accelerator=spec)
    assert len(one) == len(two) == 3
    for alone, together in zip(one, two, strict=True):
        for name in ("train_loss", "val_loss"):
            assert together[name] == pytest.approx(alone[name], rel=0.15)
    for layers in tmp_path.glob("layers *"):
        kinds = layers.read_text(encoding="utf-8").split()
        assert "SyncBatchNorm" in kinds
        assert "BatchNorm2d" not in kinds
