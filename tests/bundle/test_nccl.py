"""configs/multi_gpu_train.yaml by torchrun over NCCL, one process for each GPU, compared with one process."""

import pytest
import torch

from livecell_monai.tasks import predict, train
from tests.support.gpus import NEEDS_GPU
from tests.support.small_training import SMALL, read_history
from tests.support.torchrun import copy_template, start_torchrun
from tests.support.worlds import write_folder

pytestmark = NEEDS_GPU
SETTINGS = {
    **SMALL,
    "checkpoint_selection": "last",
    "epochs": 3,
    "samples_per_epoch": 48,
    "batch_size": 16,
    "lr": 0.005,
    "obstacles": 0.0,
}


@pytest.mark.parametrize("spec", ["cuda", "cuda-fp32"])
def test_losses_of_every_epoch_are_close_to_those_of_one_process(tmp_path, spec):
    settings = {**SETTINGS, "accelerator": spec, "norm": "batch"}
    data = write_folder(tmp_path / "data", borders=True)
    train(data, tmp_path / "one", settings=settings)
    copy_template(tmp_path / "bundle", data, settings)
    count = torch.cuda.device_count()
    launched = start_torchrun(tmp_path / "bundle", ["--standalone"], data, tmp_path / "all", settings, count=count)
    told = launched.communicate(timeout=300)[0]
    assert launched.returncode == 0, told[-3000:]
    one, together = read_history(tmp_path / "one"), read_history(tmp_path / "all")
    assert len(one) == len(together) == 3
    for alone, shared in zip(one, together, strict=True):
        for name in ("train_loss", "val_loss"):
            assert shared[name] == pytest.approx(alone[name], rel=0.15)
    masks = predict(tmp_path / "all", [data / "test" / "images"], tmp_path / "masks", {"show_progress": False})
    assert len(masks.rows) == 2
