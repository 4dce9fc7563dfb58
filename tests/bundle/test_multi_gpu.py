"""configs/multi_gpu_train.yaml by torchrun on two simulated machines, compared with one process and the same batch."""

import socket

import pytest

from livecell_monai.tasks import predict, train
from tests.support.small_training import CELL_MAPS, SMALL, read_history
from tests.support.torchrun import copy_template, start_torchrun
from tests.support.worlds import write_folder

# in bf16 where the processor has it; with images whose labels the averaged network makes in every process
# without obstacles: few patches have one, and each process draws its own
SETTINGS = {
    **SMALL,
    "maps": CELL_MAPS,
    "norm": "instance",
    "checkpoint_selection": "last",
    "epochs": 3,
    "samples_per_epoch": 24,
    "batch_size": 8,
    "lr": 0.005,
    "obstacles": 0.0,
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


pytestmark = pytest.mark.slow  # two launchers with a process each; test_devices_command trains in two processes as well


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(folder of all bundles, what each machine has told)"""
    root = tmp_path_factory.mktemp("machines")
    data = write_folder(root / "data", borders=True)
    unlabelled = str(data / "test" / "images")
    train(data, root / "one", settings=SETTINGS, unlabelled=[unlabelled])
    copy_template(root / "bundle", data, SETTINGS)
    where = ("--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--local-addr=127.0.0.1")
    machines = [
        start_torchrun(root / "bundle", where, data, root / f"node {node}", SETTINGS, "--unlabelled", unlabelled)
        for node in range(2)
    ]
    told = [machine.communicate(timeout=300)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], told[0][-3000:] + told[1][-3000:]
    return root, told


def test_losses_of_every_epoch_are_close_to_those_of_one_process(done):
    root, _ = done
    (written,) = root.glob("node *")  # by the main process, whichever machine has it
    one, two = read_history(root / "one"), read_history(written)
    assert [row["epoch"] for row in two] == [1, 2, 3]
    for alone, together in zip(one, two, strict=True):
        assert together["lr"] == pytest.approx(alone["lr"])
        for name in ("train_loss", "val_loss"):
            assert together[name] == pytest.approx(alone[name], rel=0.15)


def test_only_the_main_process_writes_and_prints(done):
    root, told = done
    (written,) = root.glob("node *")
    first = int(written.name[-1])
    assert "Epoch[3] Complete" in told[first]
    assert "Epoch[" not in told[1 - first]
    assert not list((root / "bundle").rglob("*.db"))


def test_the_bundle_predicts_and_can_be_trained_again_by_several(done, tmp_path):
    root, _ = done
    (written,) = root.glob("node *")
    assert len(predict(written, [root / "data" / "test" / "images"], tmp_path / "masks", {"show_progress": False}).rows) == 2
    assert (written / "configs" / "multi_gpu_train.yaml").is_file()
