"""`livecell train --devices 2` with batch norms synchronised on GPUs, against one process with the same batches.

NCCL wants a GPU for each process. Where there is one alone both processes take it, and speak by gloo.
"""

import pytest
import torch
from torch import distributed

from livecell_monai import tasks
from livecell_monai.distributed import ranks
from livecell_monai.distributed.ranks import Ranks
from livecell_monai.network import share_network
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
    """As each of the processes trains, a new one that knows nothing of patches, but on the first GPU, by gloo."""

    def join(self):
        torch.cuda.set_device(self.device)
        distributed.init_process_group("gloo")

    Ranks._join = join
    ranks.choose_spec = lambda spec, kind, local, world: f"cuda:0{'-fp32' if spec.endswith('-fp32') else ''}"
    tasks._train_together(given, handed)


def share_without_batch_norms(given, handed):
    """The same, but each process's batch norms see its own rows alone."""
    Ranks.share_network = lambda self, network: share_network(network, self.rank, self.world, synchronise=False)
    share_one_gpu(given, handed)


def train_with(root, name, *options, **settings):
    given = small(**SETTINGS, **settings)
    outcome = livecell("train", root / "data", "--output", root / name, *options, *given)
    assert outcome.code == 0, outcome
    return read_history(root / name)


@pytest.mark.parametrize(("spec", "allowed"), [("cuda-fp32", 1e-3), ("cuda", 1e-2)])
def test_losses_of_every_epoch_and_weights_are_those_of_one_process(tmp_path, monkeypatch, spec, allowed):
    write_folder(tmp_path / "data", borders=True)
    one = train_with(tmp_path, "one", accelerator=spec)
    if torch.cuda.device_count() < 2:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(tasks, "_train_together", share_one_gpu)
    two = train_with(tmp_path, "two", "--devices", 2, accelerator=spec)
    assert len(one) == len(two) == 3
    for alone, together in zip(one, two, strict=True):
        for name in ("train_loss", "val_loss"):
            assert together[name] == pytest.approx(alone[name], abs=allowed)
    assert abs(one[0]["train_loss"] - one[-1]["train_loss"]) > 1e-2  # it moves by more than what is allowed
    left, right = (torch.load(tmp_path / name / "models" / "model.pt", weights_only=True) for name in ("one", "two"))
    for name, value in left.items():
        torch.testing.assert_close(right[name], value, atol=0.05 if spec == "cuda" else 0.01, rtol=0.05)


def test_batch_norms_that_are_not_synchronised_give_others(tmp_path, monkeypatch):
    """What is measured above tells one from the other."""
    write_folder(tmp_path / "data", borders=True)
    one = train_with(tmp_path, "one", accelerator="cuda-fp32")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(tasks, "_train_together", share_without_batch_norms)
    two = train_with(tmp_path, "two", "--devices", 2, accelerator="cuda-fp32")
    assert max(abs(alone["val_loss"] - together["val_loss"]) for alone, together in zip(one, two, strict=True)) > 3e-3
