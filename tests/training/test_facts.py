"""What is recorded of a training: files, machine, metadata, card and run."""

import logging
from pathlib import Path

import pytest

from livecell_monai.data.dataset.findings import count_cells
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import list_unlabelled_items, partition
from livecell_monai.data.readers.kinds import read_label
from livecell_monai.errors import DataError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.report.templates import render_card
from livecell_monai.training.facts import (
    TrainingDataset,
    TrainingResult,
    check_data,
    describe_card,
    describe_machine,
    describe_training,
    list_parameters,
    list_validation,
    warn_of_other_machine,
)
from livecell_monai.training.history import History


def test_unlabelled_images_are_files_but_not_annotated_ones(bordered):
    split = partition(bordered)
    tests = bordered / "test" / "images"
    data = TrainingDataset(str(bordered), split, list_unlabelled_items(tests, split))
    assert data.name == bordered.name
    assert [sample.name for sample in data.samples] == ["train_00", "train_01", "train_02"]
    annotated = [f"{kind}/train_0{index}.tif" for kind in ("border", "image", "label") for index in range(3)]
    unlabelled = [f"unlabelled/{tests / f'test_0{index}.tif'}" for index in range(2)]
    assert list(data.annotated_hashes) == annotated
    assert list(data.files) == list(data.file_hashes) == [*annotated, *unlabelled]
    assert data.file_hashes[unlabelled[1]] == hash_file(tests / "test_01.tif")


def test_files_are_hashed_once(folder):
    """A file that changes while the network trains does not change what the network learned from."""
    data = TrainingDataset(str(folder), partition(folder))
    label = folder / "train" / "labels" / "train_00.tif"
    before = data.annotated_hashes["label/train_00.tif"]
    label.write_bytes(label.read_bytes() + b" ")
    assert data.annotated_hashes["label/train_00.tif"] == before != hash_file(label)


def test_validation_has_cells_only_where_they_were_scored():
    row = {"epoch": 3, "val_iou": 0.7, "val_accuracy": 0.9, "val_loss": 0.2, "train_loss": 0.1}
    assert list_validation(row) == {"iou": 0.7, "accuracy": 0.9, "loss": 0.2}
    assert list_validation({**row, "val_ap50": 0.5, "val_count_error": 0.1}) == {
        **{"iou": 0.7, "accuracy": 0.9, "loss": 0.2},
        **{"ap50": 0.5, "count_error": 0.1},
    }


RUN = Path("model")


class TestData:
    STARTED = {"image/a.tif": "1", "image/b.tif": "2", "label/a.tif": "3"}  # noqa: RUF012
    PATHS = {"image/a.tif": Path("cells/a.tif"), "image/c.tif": Path("cells/c.tif")}  # noqa: RUF012

    def test_the_same(self):
        assert check_data(RUN, self.STARTED, dict(self.STARTED), self.PATHS, force=False) == []

    def test_the_first_difference_is_an_error_without_force(self):
        now = {"image/a.tif": "9", "image/c.tif": "4", "label/a.tif": "3"}
        with pytest.raises(DataError, match=r"a.tif has changed since it was started \(and 2 more\).*--force"):
            check_data(RUN, self.STARTED, now, self.PATHS, force=False)
        expected = [f"{Path('cells/a.tif')} has changed", "image/b.tif is gone", f"{Path('cells/c.tif')} is new"]
        assert check_data(RUN, self.STARTED, now, self.PATHS, force=True) == expected


class TestMachine:
    def test_description(self):
        found = describe_machine(Accelerator("cpu-fp32"))
        assert (found["workers"], found["bf16"], found["device"], found["processes"]) == (0, False, "cpu", 1)
        assert found["threads"] >= 1
        assert found["version of torch"]

    def test_the_same_machine_gives_no_warning(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        warn_of_other_machine(RUN, dict(found), found)
        assert caplog.messages == []

    def test_another_machine_gives_one_warning(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        with caplog.at_level(logging.WARNING):
            warn_of_other_machine(RUN, {**found, "threads": 99, "version of torch": "1.0"}, found)
        (line,) = caplog.messages
        assert f"threads 99 -> {found['threads']}" in line
        assert "version of torch 1.0 ->" in line
        assert "not be bit-equal" in line


SCORES = ("iou", "accuracy", "loss")
RESUMED = {"resumed": 1, "data_changes": ["a.tif has changed"], "request_sha256": "0" * 64}
WEIGHTS = {"weights_sha256": "1" * 64}


@pytest.fixture
def data(folder):
    return TrainingDataset(str(folder), partition(folder))


def result_of(data, selection):
    """Three epochs, the second one the best."""
    history = History(None)
    history.rows = [
        {"epoch": epoch, **{f"val_{name}": value for name in SCORES}} for epoch, value in enumerate((0.1, 0.9, 0.5), 1)
    ]
    settings = {"seed": 3, "checkpoint_selection": selection, "maps": ["foreground"]}
    return TrainingResult(history, settings, data, Accelerator("cpu"), 12.34, RESUMED)


@pytest.mark.parametrize(("selection", "epoch", "score"), [("best", 2, 0.9), ("last", 3, 0.5)])
def test_scores_are_those_of_the_kept_epoch(data, selection, epoch, score):
    training = describe_training(result_of(data, selection), WEIGHTS)
    assert (training["kept_epoch"], training["epochs_run"]) == (epoch, 3)
    assert training["validation"] == dict.fromkeys(SCORES, score)
    assert (training["seconds"], training["seed"], training["resumed"]) == (12.3, 3, 1)
    assert training["files_sha256"] == data.annotated_hashes


def test_the_card_describes_whole_images(data):
    result = result_of(data, "best")
    facts = describe_card(result, describe_training(result, WEIGHTS))
    assert (facts["is_chosen"], facts["separates"], facts["cells"]) == (True, False, None)
    assert "1" * 64 in render_card(**facts)
    for sample, (name, digest, rows, columns, cells, foreground) in zip(data.samples, facts["images"], strict=True):
        label = read_label(sample.label)
        assert (name, rows, columns, cells) == (sample.name, *label.shape, count_cells(label))
        assert sample.region is not None  # the split has cut it
        assert foreground == pytest.approx((label > 0).mean())
        assert digest == data.annotated_hashes[f"image/{name}.tif"]


def test_parameters(data):
    parameters = list_parameters({"lr": 0.1}, data, Accelerator("cpu"))
    assert {"lr": 0.1, "split_used": "region", "workers": 0, "unlabelled_images": 0}.items() <= parameters.items()
    assert {"threads", "bf16", "compiled", "instructions", "computed_on"} <= parameters.keys()
