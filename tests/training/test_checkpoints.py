"""Trainings that are interrupted anywhere resume to what they would have been, to the bit."""

import logging
import resource
from contextlib import contextmanager

import pytest
import torch

from livecell_monai import tasks
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import DataError, SettingError, find_user_error
from livecell_monai.runs.atomic import write_table
from livecell_monai.training.bundle_writer import BundleWriter
from livecell_monai.training.checkpoint_file import list_checkpoints
from livecell_monai.training.setup import RunContext, prepare_overlays
from tests.support.small_training import CELL_MAPS, SMALL
from tests.support.stopped_training import at_loss, foreground, list_differences, press_ctrl_c
from tests.support.worlds import write_folder

# 3 batches an epoch, and 3 images that are validated behind each: the loss is computed 6 times an epoch
PATCHES = {**SMALL, "maps": CELL_MAPS, "epochs": 3, "samples_per_epoch": 12, "dropout": 0.3, "lr": 0.02}
# 3 batches and 2 patches that are validated
ORIGINAL = {"augmentation": "transforms", "split": "original", "lr_schedule": "step", "ema": 0.0, "patience": 1, "epochs": 4}


class PowerFailure(Exception):  # noqa: N818 - it is no error of the program
    """What ends a training without a word."""


def write_history(folder, result):
    write_table(folder / "history.csv", result.history.rows)
    (folder / "docs").mkdir()  # for the card


@pytest.fixture(scope="module", autouse=True)
def plain():
    """A training ends with its weights and its history: figures and configs would take most of the time."""
    with pytest.MonkeyPatch.context() as patch, foreground():
        patch.setattr(BundleWriter, "_write_bundle", lambda writer, result, *_: write_history(writer.folder, result))
        patch.setattr(BundleWriter, "_write_figures", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("stopped")
    write_folder(root / "data", borders=True)
    return root


def train(root, name):
    """The default recipe with images without labels."""
    unlabelled = [root / "data" / "test" / "images"]
    return tasks.train(root / "data", root / name, settings=PATCHES, unlabelled=unlabelled)


def train_original(root, name):
    return tasks.train(root / "data", root / name, settings={**PATCHES, **ORIGINAL})


@pytest.fixture(scope="module")
def whole(root):
    """A training that was never stopped."""
    train(root, "whole")
    return root / "whole"


@pytest.fixture(scope="module")
def original(root):
    return train_original(root, "original")


def stop(training, root, name, at, act=press_ctrl_c):
    """Stop a training as the loss is computed for the nth time; the state that it has saved last."""
    with at_loss(at, act), pytest.raises((KeyboardInterrupt, RuntimeError)):
        training(root, name)
    paths = list_checkpoints(root / name / ".training")
    return torch.load(paths[0], weights_only=True) if paths else None


def power_fails():
    raise PowerFailure


@contextmanager
def altered(path):
    """The same picture in another file."""
    before = path.read_bytes()
    path.write_bytes(before + b" ")
    try:
        yield
    finally:
        path.write_bytes(before)


class TestDefaultRecipe:
    @pytest.mark.parametrize(
        ("at", "epoch", "iteration"),
        [
            pytest.param(2, 1, 2, id="within an epoch"),
            pytest.param(5, 1, 3, id="in its validation"),
            pytest.param(9, 2, 6, id="at its last iteration", marks=pytest.mark.slow),
        ],
    )
    def test_interrupted(self, root, whole, at, epoch, iteration):
        name = f"interrupted_{at}"
        state = stop(train, root, name, at)
        assert (state["epoch"], state["iteration"], state["is_within"]) == (epoch, iteration, True)
        assert {path.name for path in (root / name).iterdir()} == {".training"}
        result = tasks.resume(root / name)
        assert list_differences(whole, root / name) == []
        assert (result["resumed"], result["data_changes"], result["epochs_run"]) == (1, [], 3)
        assert not (root / name / ".training").exists()

    @pytest.mark.slow
    def test_killed_twice_and_the_last_checkpoint_damaged(self, root, whole, caplog):
        assert stop(train, root, "killed", 1, power_fails) is None
        assert stop(lambda root, name: tasks.resume(root / name), root, "killed", 14, power_fails)["epoch"] == 2
        newest, _ = list_checkpoints(root / "killed" / ".training")
        newest.write_bytes(newest.read_bytes()[:-1])
        with caplog.at_level(logging.WARNING):
            result = tasks.resume(root / "killed")
        assert [line for line in caplog.messages if "is damaged" in line and newest.name in line]
        assert result["resumed"] == 2
        assert list_differences(whole, root / "killed") == []

    @pytest.mark.slow
    def test_killed_while_the_bundle_was_written(self, root, whole):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BundleWriter, "_write_bundle", lambda *_: power_fails())
            with pytest.raises(RuntimeError):
                train(root, "written")
        with at_loss(0, power_fails) as calls:
            tasks.resume(root / "written")
        assert calls == []  # nothing is trained again
        assert list_differences(whole, root / "written") == []

    def test_a_full_disk_is_one_message_and_the_training_can_resume(self, root, whole):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            with pytest.raises(RuntimeError) as failure:
                self.fill_the_disk_within_the_second_epoch(root, before[1])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        error = find_user_error(failure.value)
        assert isinstance(error, DataError)
        assert "checkpoint: cannot be written" in str(error)
        assert len(list_checkpoints(root / "full" / ".training")) == 1
        tasks.resume(root / "full")
        assert list_differences(whole, root / "full") == []

    @staticmethod
    def fill_the_disk_within_the_second_epoch(root, most):
        with at_loss(10, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))):
            train(root, "full")


class TestMonaiBundleRun:
    """The YAML alone, as `monai.bundle run` reads it."""

    @staticmethod
    def train(root, name, **options):
        paths = {"dataset_dir": str(root / "data"), "output_dir": str(root / name), **options}
        paths["unlabelled"] = str(root / "data" / "test" / "images")
        with prepare_overlays(root / "data", (), PATCHES, "planned") as (_, layers):
            given = (find_template(), ["inference", "train"], PATCHES, paths, layers)
            workflow = open_bundle(*given, run_id="training", workflow_type="train")
            workflow.initialize()
            return workflow.run()

    def test_interrupted(self, root, whole):
        stop(self.train, root, "monai", 8)
        with pytest.raises(SettingError, match="call that again with --resume true"):
            tasks.resume(root / "monai")
        assert self.train(root, "monai", resume=True)["resumed"] == 1
        assert list_differences(whole, root / "monai") == []


class TestOriginalRecipe:
    """Its transforms draw from states of their own, its samples come one by one, its best epoch may end it early."""

    @pytest.mark.parametrize(
        "at",
        [
            pytest.param(2, id="within an epoch"),
            pytest.param(4, id="in its validation", marks=pytest.mark.slow),
            pytest.param(7, id="in the second", marks=pytest.mark.slow),
        ],
    )
    def test_interrupted(self, root, original, at):
        assert stop(train_original, root, f"original_{at}", at)["is_within"]
        result = tasks.resume(root / f"original_{at}")
        assert list_differences(root / "original", root / f"original_{at}") == []
        assert (result["kept_epoch"], result["epochs_run"]) == (original["kept_epoch"], original["epochs_run"])

    def test_differences_would_be_found(self, root, whole, original):
        assert list_differences(whole, root / "original") != []


class TestRejected:
    @pytest.fixture
    def stopped(self, root):
        if not (root / "refused").exists():
            stop(train, root, "refused", 9)
        return root / "refused"

    def test_a_new_training_in_its_folder(self, root, stopped):
        with pytest.raises(RuntimeError) as failure:
            train(root, "refused")
        assert f"resume it by livecell train --resume {stopped}" in str(find_user_error(failure.value))

    def test_other_settings(self, root, stopped):
        with pytest.raises(SettingError, match=r"same lr: started with 0\.02, now 0\.5"):
            tasks.resume(stopped, {"lr": 0.5})
        with pytest.raises(SettingError, match=r"same setting lr: started with 0\.02, now 0\.1"):
            tasks.train(root / "data", stopped, settings={**PATCHES, "lr": 0.1}, context=RunContext(resume=True))
        assert tasks.is_unfinished(stopped)

    @pytest.mark.parametrize("name", ["train/labels/train_01.tif", "train/borders/train_01.tif", "test/images/test_01.tif"])
    def test_other_data(self, root, stopped, name):
        with pytest.raises(RuntimeError) as failure, altered(root / "data" / name):
            tasks.resume(stopped)
        assert f"{root / 'data' / name} has changed since" in str(find_user_error(failure.value))

    def test_other_data_with_force(self, root, stopped):
        path = root / "data" / "test" / "images" / "test_01.tif"
        with altered(path):
            result = tasks.resume(stopped, force=True)
        assert result["data_changes"] == [f"{path} has changed"]
