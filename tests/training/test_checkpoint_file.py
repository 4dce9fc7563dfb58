"""Checkpoints on disk, whole and damaged, on a disk that has room and on one that is full."""

import logging
import resource

import pytest
import torch

from livecell_monai.errors import DataError
from livecell_monai.training.checkpoint_file import (
    list_checkpoints,
    pick_checkpoint,
    read_checkpoint,
    remove_checkpoints,
    write_checkpoint,
)

STATE = {"epoch": 3, "weights": {"a": torch.arange(6.0)}, "rows": [{"lr": 0.1}], "none": None, "pair": (1, 2.5)}


@pytest.fixture
def full_disk():
    """Files of more than 4 KB are refused by the system, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_round_trip(tmp_path):
    path = write_checkpoint(tmp_path, STATE)
    assert pick_checkpoint(tmp_path) == path
    read = read_checkpoint(path)
    assert torch.equal(read["weights"].pop("a"), STATE["weights"]["a"])
    assert read == {**STATE, "weights": {}}


def test_the_last_two_are_kept(tmp_path):
    paths = [write_checkpoint(tmp_path, {"number": number}) for number in range(4)]
    assert list_checkpoints(tmp_path) == [paths[3], paths[2]]
    assert sorted(tmp_path.iterdir()) == paths[2:]


def test_an_empty_folder_has_none(tmp_path):
    assert pick_checkpoint(tmp_path) is None


@pytest.mark.parametrize("tear", [lambda whole: whole[:-9], lambda whole: whole[:40] + b"?" + whole[41:], lambda whole: b""])
def test_a_damaged_one_is_reported_and_the_previous_one_used(tmp_path, caplog, tear):
    first, second = (write_checkpoint(tmp_path, {"number": number}) for number in range(2))
    second.write_bytes(tear(second.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert pick_checkpoint(tmp_path) == first
    (line,) = caplog.messages
    assert second.name in line
    assert "the checkpoint is damaged" in line
    third = write_checkpoint(tmp_path, {"number": 2})
    assert list_checkpoints(tmp_path) == [third, first]  # a damaged one is no spare


def test_two_damaged_ones_are_an_error(tmp_path):
    for number in range(2):
        write_checkpoint(tmp_path, {"number": number}).write_bytes(b"damaged")
    with pytest.raises(DataError, match="the hashes of all 2 differ"):
        pick_checkpoint(tmp_path)
    assert len(list_checkpoints(tmp_path)) == 2


def test_a_full_disk_is_one_message_and_earlier_checkpoints_remain(tmp_path, full_disk):
    before = [write_checkpoint(tmp_path, {"number": number}) for number in range(2)]
    with pytest.raises(DataError, match=r"cannot be written \(File too large\); make room"):
        write_checkpoint(tmp_path, {"weights": torch.rand(10_000)})
    assert sorted(tmp_path.iterdir()) == before
    assert read_checkpoint(before[1]) == {"number": 1}


def test_only_plain_values_are_read(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    path = tmp_path / "checkpoint.pt"
    torch.save({"payload": Payload()}, path)
    with pytest.raises(DataError, match="must be readable"):
        read_checkpoint(path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(("kept", "left"), [(0, 0), (1, 1), (5, 2)])
def test_all_but_the_newest_are_removed(tmp_path, kept, left):
    paths = [write_checkpoint(tmp_path, {"number": number}) for number in range(2)]
    remove_checkpoints(tmp_path, kept)
    assert list_checkpoints(tmp_path) == paths[::-1][:left]
