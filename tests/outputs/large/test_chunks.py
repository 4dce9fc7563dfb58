"""Chunks of a mask: each is written once and completely."""

import errno

import numpy as np
import pytest

from livecell_monai.errors import DataError
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter
from livecell_monai.outputs.large.folder import LargeImageFolder

SHAPE = (2 * CHUNK + 100, CHUNK + 300)


@pytest.fixture
def folder(tmp_path):
    made = LargeImageFolder(tmp_path, "large")
    made.start({"started_with": {}}, SHAPE, np.zeros((2, 2), np.uint8))
    return made


@pytest.fixture(scope="module")
def mask():
    return (np.random.default_rng(0).random(SHAPE) < 0.01).astype(np.uint8) * 255


def parts(mask, height=700, width=900):
    for top in range(0, mask.shape[0], height):
        for left in range(0, mask.shape[1], width):
            yield top, left, mask[top : top + height, left : left + width]


def test_parts_of_any_size_make_the_mask(folder, mask):
    with ChunkWriter(folder.array()) as writer:
        for top, left, part in parts(mask):
            writer.add(top, left, part)
            assert len(writer.open) <= 4
        assert not writer.open
    np.testing.assert_array_equal(folder.array()[:], mask)
    assert folder.done() == {(row, column) for row in range(3) for column in range(2)}


def test_only_complete_chunks_are_written(folder, mask):
    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, mask[: CHUNK - 1, :CHUNK])
    assert folder.done() == frozenset()
    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, mask[:CHUNK, :CHUNK])
    assert folder.done() == {(0, 0)}


def test_background_is_written(folder):
    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, np.zeros((CHUNK, CHUNK), np.uint8))
    assert folder.done() == {(0, 0)}


def test_existing_chunks_are_not_overwritten(folder, mask):
    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, np.full((CHUNK, CHUNK), 7, np.uint8))
    with ChunkWriter(folder.array(), folder.done()) as writer:
        writer.add(0, 0, mask)
    assert (folder.array()[:CHUNK, :CHUNK] == 7).all()
    np.testing.assert_array_equal(folder.array()[CHUNK:], mask[CHUNK:])


def test_full_disk_gives_one_line_and_no_partial_chunk(folder, mask, monkeypatch):
    from zarr.storage import _local

    def full(path, value, exclusive=False):
        raise OSError(errno.ENOSPC, "No space left on device")

    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, mask[:CHUNK])
    monkeypatch.setattr(_local, "_put", full)
    with (
        pytest.raises(DataError, match=r"cannot be written \(No space left on device\); free disk .* --resume") as refusal,
        ChunkWriter(folder.array()) as writer,
    ):
        writer.add(CHUNK, 0, mask[CHUNK:])
    assert "\n" not in str(refusal.value)
    assert folder.done() == {(0, 0), (0, 1)}
