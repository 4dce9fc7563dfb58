"""What is asked before several processes are started."""

import re
from types import SimpleNamespace

import pytest
import torch

from livecell_monai.distributed import devices as room
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.tasks import train
from livecell_monai.training.setup import RunContext, resolve_settings
from tests.support.small_training import SMALL

FINE = {"norm": "instance", "accelerator": "cpu-fp32"}


@pytest.fixture(autouse=True)
def never(monkeypatch):
    """None of these may start a process."""
    monkeypatch.setattr(room, "run_in_processes", lambda *_: pytest.fail("started"))
    monkeypatch.setattr(room, "count_cores", lambda: 4)


def refuse(folder, tmp_path, words, devices=2, **settings):
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - MONAI wraps it, find_user_error looks behind
        train(folder, tmp_path / "model", settings={**SMALL, **FINE, **settings}, devices=devices)
    error = find_user_error(refusal.value)
    assert re.search(words, str(error)), refusal.value
    assert "\n" not in str(error)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("devices", [0, -1, True, 1.5])
def test_numbers_that_cannot_be(folder, tmp_path, devices):
    refuse(folder, tmp_path, rf"^--devices must be a whole number of 1 or more, got {devices}; correct it$", devices)


def test_more_than_there_are_cores(folder, tmp_path):
    refuse(folder, tmp_path, r"^--devices must be at most the number of cores that are there, 4, got 5; lower it$", 5)


def test_more_than_there_are_gpus(monkeypatch):
    monkeypatch.setattr(room, "Accelerator", lambda _: SimpleNamespace(device=torch.device("cuda")))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(SettingError, match=r"the number of GPUs that are there, 2, got 3; lower it$"):
        room.check_devices(3, SimpleNamespace(settings={"accelerator": "auto"}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"norm": "batch"}, "^setting norm must be instance where there is no CUDA GPU"),
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
def test_settings_that_cannot_be_shared_or_cannot_be_at_all(folder, tmp_path, settings, words):
    refuse(folder, tmp_path, words, **settings)


@pytest.mark.parametrize(("devices", "size"), [(2, 36), (3, 36), (4, 36)])
def test_the_plan_makes_batches_that_divide(folder, tmp_path, monkeypatch, devices, size):
    free = {name: value for name, value in {**SMALL, **FINE}.items() if name != "batch_size"}
    assert resolve_settings(folder, settings=free)["batch_size"] == 37
    asked = []
    monkeypatch.setattr(room, "check_devices", lambda _, opened: asked.append(opened.settings["batch_size"]))
    monkeypatch.setattr(room, "run_in_processes", lambda *_: None)
    with pytest.raises(FileNotFoundError):  # nobody has trained
        train(folder, tmp_path / "model", settings=free, devices=devices)
    assert asked == [size]


def test_bad_data(folder, tmp_path):
    (folder / "train" / "labels" / "train_01.tif").unlink()
    refuse(folder, tmp_path, "train_01")


def test_within_torchrun(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    refuse(folder, tmp_path, r"^livecell train must not be run by torchrun, .*; give it --devices N", 1)


def test_an_occupied_folder(folder):
    with pytest.raises(SettingError, match="must be empty or new"):
        train(folder, folder, settings={**SMALL, **FINE}, devices=2)


def test_a_caller_who_would_follow_is_told_that_he_cannot(folder, tmp_path):
    with pytest.raises(ValueError, match="on_epoch must be None where several processes train"):
        train(folder, tmp_path / "model", settings={**SMALL, **FINE}, devices=2, context=RunContext(on_epoch=print))
