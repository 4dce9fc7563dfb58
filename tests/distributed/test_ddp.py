"""Two real processes joined by gloo, and what one of them alone refuses."""

import logging
import os
import re
import time
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from livecell_monai.distributed import ddp
from livecell_monai.distributed.ddp import VARIABLES, ProcessGroup, check_settings, choose_spec
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.network import SegmentationLoss, UNet
from livecell_monai.runs.processes import count_cores, run_in_processes
from livecell_monai.runs.progress import ProgressBar
from livecell_monai.tasks import train as train_task
from livecell_monai.training import budget
from livecell_monai.training.budget import Budget
from livecell_monai.training.setup import RunContext, resolve_settings
from tests.support.small_training import SMALL

RATE = 0.5
FINE = {
    "accelerator": "cpu",
    "batch_size": 4,
    "augmentation": "patches",
    "split": "auto",
    "compile": False,
    "norm": "instance",
}


def build():
    """A network, images and targets whose classes are unevenly spread over the batch."""
    torch.manual_seed(0)
    network, images = UNet([4, 8], norm="instance"), torch.rand(4, 1, 16, 24)
    target = (torch.rand(4, 1, 16, 24) < torch.tensor([0.05, 0.9, 0.1, 0.8])[:, None, None, None]).float()
    return network, images, target


def step(network, images, target):
    """Three steps of plain gradient descent; the losses."""
    losses, loss = [], SegmentationLoss("dice_bce")
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    for _ in range(3):
        optimizer.zero_grad()
        value = loss(network(images), target)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    return losses


def train(group):
    network, images, target = build()
    rows = slice(group.rank, None, group.world_size)
    losses = step(group.wrap(network), images[rows], target[rows])
    return losses, network.state_dict()


def follow_the_clock(group):
    """(iterations of each epoch, part done after each) by a clock that runs five times as fast in the second process."""
    clock = SimpleNamespace(now=1000.0)
    budget.time = SimpleNamespace(monotonic=lambda: clock.now)
    limit, done, lengths = Budget(0.1, 3), [], []
    trainer = Engine(lambda *_: setattr(clock, "now", clock.now + (0.5 if group.is_main_process else 2.5)))
    limit.attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: done.append(limit.done))
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: lengths.append(trainer.state.iteration - sum(lengths)))
    trainer.run([0], max_epochs=3, epoch_length=limit.epoch_length(1))
    return lengths, done


def act(folder):
    """All that two processes have to do with each other, noted by each."""
    group = ProcessGroup({**FINE, "accelerator": "cpu-fp32"})
    engine = Engine(lambda *_: None)
    ProgressBar("training").attach(engine)
    found = {
        "train": train(group),
        "clock": follow_the_clock(group),
        "samplers": [None if (own := group.sampler(range(count))) is None else list(own) for count in (1, 2, 5)],
        "facts": (group.rank, group.world_size, group.is_main_process, group.spec),
        "place": [os.environ[name] for name in VARIABLES],
        "threads": torch.get_num_threads(),
        "bar": len(engine._event_handlers[Events.STARTED]) > 0,
        "tells": logging.getLogger("any").isEnabledFor(logging.INFO) or logging.root.manager.disable < logging.INFO,
    }
    if not group.is_main_process:
        time.sleep(0.5)
    session = SimpleNamespace(run=lambda: "session", follow=lambda: "trainer")
    start = time.monotonic()
    found["run"] = group.run(session), time.monotonic() - start
    torch.save(found, f"{folder}/{group.rank}.pt")
    group.leave()
    assert not torch.distributed.is_initialized()


@pytest.fixture(scope="module")
def both(forked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS")
        run_in_processes(2, act, str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


@pytest.mark.slow
class TestTogether:
    def test_each_knows_its_place(self, both):
        assert [found["facts"] for found in both] == [(0, 2, True, "cpu-fp32"), (1, 2, False, "cpu-fp32")]
        assert [found["place"] for found in both] == [["0", "2", "0"], ["1", "2", "1"]]
        assert set(VARIABLES).isdisjoint(os.environ)  # of the caller

    def test_the_cores_are_shared_out(self, both):
        assert {found["threads"] for found in both} == {max(1, count_cores() // 2)}

    def test_all_end_with_the_same_weights_close_to_those_of_one_process(self, both):
        network, images, target = build()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        losses = step(network, images, target)
        (_, first), (_, second) = (found["train"] for found in both)
        assert all(torch.equal(first[name], second[name]) for name in first)
        moved = max((before[name] - value).abs().max() for name, value in network.state_dict().items())
        apart = max((first[name] - value).abs().max() for name, value in network.state_dict().items())
        assert apart < moved / 4  # the Dice loss is a fraction: the mean over processes is not that of the whole batch
        mean = [sum(pair) / 2 for pair in zip(*(found["train"][0] for found in both), strict=True)]
        assert mean == pytest.approx(losses, rel=0.1)

    def test_the_first_ones_clock_counts(self, both):
        lengths, done = both[0]["clock"]
        assert both[1]["clock"] == (lengths, done)
        assert min(lengths) >= 2
        assert done == sorted(done)
        assert done[-1] == 1.0

    def test_validation_is_shared_where_each_gets_an_image(self, both):
        assert [found["samplers"] for found in both] == [[None, [0], [0, 2, 4]], [None, [1], [1, 3]]]

    def test_the_first_one_alone_shows_and_tells(self, both):
        assert [found["bar"] for found in both] == [True, False]
        assert [found["tells"] for found in both] == [True, False]

    def test_the_first_one_runs_the_session_and_waits_for_the_others(self, both):
        assert [found["run"][0] for found in both] == ["session", "trainer"]
        assert both[0]["run"][1] > 0.3


class TestRefused:
    def test_without_torchrun(self, monkeypatch):
        monkeypatch.delenv("RANK", raising=False)
        with pytest.raises(SettingError, match=r"^configs/multi_gpu_train.yaml must be run by torchrun, .* start it by "):
            ProcessGroup(FINE)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("batch_size", 5, "a multiple of 2"),
            ("augmentation", "transforms", "patches"),
            ("split", "original", "another one"),
            ("compile", True, "false"),
            ("norm", "batch", "instance without a CUDA GPU"),
        ],
    )
    def test_what_cannot_be_divided(self, name, value, words):
        check_settings(FINE, 2)
        check_settings({**FINE, name: value}, 1)
        with pytest.raises(SettingError, match=rf"^setting {name} must be {words}.* if 2 processes .*, got {value!r}; "):
            check_settings({**FINE, name: value}, 2)


class TestSpec:
    """Which GPU is whose, on a machine that has two."""

    @pytest.fixture(autouse=True)
    def two(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    @pytest.mark.parametrize(
        ("spec", "kind", "local", "world", "own"),
        [
            ("auto", "cpu", 3, 4, "auto"),
            ("cpu-fp32", "cpu", 0, 2, "cpu-fp32"),
            ("auto", "cuda", 0, 2, "cuda:0"),
            ("auto", "cuda", 1, 8, "cuda:1"),
            ("cuda-fp32", "cuda", 1, 2, "cuda:1-fp32"),
            ("auto", "cuda", 0, 1, "cuda:0"),
            ("cuda:1", "cuda", 0, 1, "cuda:1"),
            ("auto", "mps", 0, 1, "auto"),
        ],
    )
    def test_is_that_of_the_process(self, spec, kind, local, world, own):
        assert choose_spec(spec, kind, local, world) == own

    @pytest.mark.parametrize(
        ("spec", "kind", "local", "words"),
        [
            ("cuda:1", "cuda", 0, "accelerator must be cpu, cuda or auto .* got 'cuda:1'"),
            ("auto", "mps", 0, "accelerator must be cpu, cuda or auto .* got 'auto'"),
            ("auto", "cuda", 2, "at most the number of GPUs, 2, got more"),
        ],
    )
    def test_is_refused_where_there_is_none(self, spec, kind, local, words):
        with pytest.raises(SettingError, match=words):
            choose_spec(spec, kind, local, 3)


SHARED = {"norm": "instance", "accelerator": "cpu-fp32"}


def refuse(folder, tmp_path, words, devices=2, **settings):
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - MONAI wraps it, find_user_error looks behind
        train_task(folder, tmp_path / "model", settings={**SMALL, **SHARED, **settings}, devices=devices)
    error = find_user_error(refusal.value)
    assert re.search(words, str(error)), refusal.value
    assert "\n" not in str(error)
    assert not (tmp_path / "model").exists()


class TestTrainOnDevices:
    """What is checked before several processes start."""

    @pytest.fixture(autouse=True)
    def never(self, monkeypatch):
        """No process may start, and there are four cores."""
        monkeypatch.setattr(ddp, "run_in_processes", lambda *_: pytest.fail("started"))
        monkeypatch.setattr(ddp, "count_cores", lambda: 4)

    @pytest.mark.parametrize("devices", [0, -1, True, 1.5])
    def test_numbers_that_cannot_be(self, folder, tmp_path, devices):
        refuse(folder, tmp_path, rf"^--devices must be a whole number of 1 or more, got {devices}; correct it$", devices)

    def test_more_than_there_are_cores(self, folder, tmp_path):
        refuse(folder, tmp_path, r"^--devices must be at most the number of cores, 4, got 5; lower it$", 5)

    def test_more_than_there_are_gpus(self, monkeypatch):
        monkeypatch.setattr(ddp, "Accelerator", lambda _: SimpleNamespace(device=torch.device("cuda")))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        with pytest.raises(SettingError, match=r"the number of GPUs, 2, got 3; lower it$"):
            ddp.check_devices(3, SimpleNamespace(settings={"accelerator": "auto"}))

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"norm": "batch"}, "^setting norm must be instance without a CUDA GPU"),
            ({"batch_size": 5}, "^setting batch_size must be a multiple of 2"),
            ({"augmentation": "transforms"}, "^setting augmentation must be patches"),
            ({"split": "original"}, "^setting split must be another one"),
            ({"compile": True}, "^setting compile must be false"),
            ({"lr": -1.0}, "^setting lr must be a number above 0"),
            ({"patch_size": [2, 2]}, r"^setting patch_size must be \[Y, X\] in pixels, multiples of 8"),
            ({"track": True, "tracking_uri": "./mlruns"}, "tracking_uri"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_settings_that_cannot_be_shared_or_cannot_be_at_all(self, folder, tmp_path, settings, words):
        refuse(folder, tmp_path, words, **settings)

    @pytest.mark.parametrize(("devices", "size"), [(2, 36), (3, 36), (4, 36)])
    def test_the_plan_makes_batches_that_divide(self, folder, tmp_path, monkeypatch, devices, size):
        free = {name: value for name, value in {**SMALL, **SHARED}.items() if name != "batch_size"}
        assert resolve_settings(folder, settings=free)["batch_size"] == 37
        asked = []
        monkeypatch.setattr(ddp, "check_devices", lambda _, opened: asked.append(opened.settings["batch_size"]))
        monkeypatch.setattr(ddp, "run_in_processes", lambda *_: None)
        with pytest.raises(FileNotFoundError):  # nobody has trained
            train_task(folder, tmp_path / "model", settings=free, devices=devices)
        assert asked == [size]

    def test_bad_data(self, folder, tmp_path):
        (folder / "train" / "labels" / "train_01.tif").unlink()
        refuse(folder, tmp_path, "train_01")

    def test_within_torchrun(self, folder, tmp_path, monkeypatch):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
        refuse(folder, tmp_path, r"^livecell train must not be run by torchrun, .*; give it --devices N", 1)

    def test_an_occupied_folder(self, folder):
        with pytest.raises(SettingError, match="must be empty or new"):
            train_task(folder, folder, settings={**SMALL, **SHARED}, devices=2)

    def test_a_caller_who_would_follow_is_told_that_he_cannot(self, folder, tmp_path):
        context = RunContext(on_epoch=print)
        with pytest.raises(ValueError, match="on_epoch must be None for several processes"):
            train_task(folder, tmp_path / "model", settings={**SMALL, **SHARED}, devices=2, context=context)
