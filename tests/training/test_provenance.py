"""The data and the machine of a training, recorded and compared."""

import logging
from pathlib import Path

import pytest

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import list_unlabelled_items, partition
from livecell_monai.errors import DataError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training.provenance import (
    TrainingDataset,
    check_data,
    describe_machine,
    warn_of_other_machine,
)


def test_unlabelled_images_are_files_of_the_training_but_not_of_its_annotated_data(bordered):
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


def test_hashes_are_those_of_the_first_look(folder):
    """A file that changes while the network trains does not change what the network learned from."""
    data = TrainingDataset(str(folder), partition(folder))
    label = folder / "train" / "labels" / "train_00.tif"
    before = data.annotated_hashes["label/train_00.tif"]
    label.write_bytes(label.read_bytes() + b" ")
    assert data.annotated_hashes["label/train_00.tif"] == before != hash_file(label)


RUN = Path("model")


class TestData:
    STARTED = {"image/a.tif": "1", "image/b.tif": "2", "label/a.tif": "3"}  # noqa: RUF012
    PATHS = {"image/a.tif": Path("cells/a.tif"), "image/c.tif": Path("cells/c.tif")}  # noqa: RUF012

    def test_the_same(self):
        assert check_data(RUN, self.STARTED, dict(self.STARTED), self.PATHS, force=False) == []

    def test_the_first_that_differs_is_named_unless_it_is_forced(self):
        now = {"image/a.tif": "9", "image/c.tif": "4", "label/a.tif": "3"}
        with pytest.raises(DataError, match=r"a.tif has changed since it was started \(and 2 more\).*--force"):
            check_data(RUN, self.STARTED, now, self.PATHS, force=False)
        expected = [f"{Path('cells/a.tif')} has changed", "image/b.tif is gone", f"{Path('cells/c.tif')} is new"]
        assert check_data(RUN, self.STARTED, now, self.PATHS, force=True) == expected


class TestMachine:
    def test_says_what_bits_hang_on(self):
        found = describe_machine(Accelerator("cpu-fp32"))
        assert (found["workers"], found["bf16"], found["device"], found["processes"]) == (0, False, "cpu", 1)
        assert found["threads"] >= 1
        assert found["version of torch"]

    def test_the_same_one_is_no_news(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        warn_of_other_machine(RUN, dict(found), found)
        assert caplog.messages == []

    def test_another_is_one_line(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        with caplog.at_level(logging.WARNING):
            warn_of_other_machine(RUN, {**found, "threads": 99, "version of torch": "1.0"}, found)
        (line,) = caplog.messages
        assert f"threads 99 -> {found['threads']}" in line
        assert "version of torch 1.0 ->" in line
        assert "not be bit-equal" in line
