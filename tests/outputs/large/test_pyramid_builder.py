"""Every level of a mask is read once for its measures, its tiles and the next level."""

from collections import Counter

import numpy as np
import pytest

from livecell_monai.errors import DataError
from livecell_monai.outputs.large.bigtiff import encode_tile
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.outputs.large.measures import measure_mask
from livecell_monai.outputs.large.pyramid import create_levels
from livecell_monai.outputs.large.pyramid_builder import PyramidBuilder

SHAPE = (2 * CHUNK + 5, CHUNK + 70)
ROWS, COLUMNS = np.indices(SHAPE, np.int32)
MASK = ((np.sin(ROWS / 37) + np.cos(COLUMNS / 51)) > 0.4).astype(np.uint8) * 255


@pytest.fixture
def levels(tmp_path):
    folder = LargeImageFolder(tmp_path, "large")
    folder.start({"started_with": {}}, SHAPE, MASK[:2, :2])
    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, MASK)
    return create_levels(folder.image)


class CountingArray:
    """An array that counts how often each part is read."""

    def __init__(self, array):
        self.array, self.shape, self.reads = array, array.shape, Counter()

    def __getitem__(self, part):
        self.reads[str(part)] += 1
        return self.array[part]


def test_one_pass_computes_measures_and_the_next_level(levels):
    counted = CountingArray(levels[0])
    builder = PyramidBuilder([counted, *levels[1:]], encode_tile)
    assert not np.asarray(levels[1]).any()
    tiles = list(builder.tiles(0))
    assert counted.reads.total() == len(counted.reads) == len(tiles) == 6
    np.testing.assert_array_equal(levels[1][:], MASK[::2, ::2])
    assert builder.components.total() == measure_mask(MASK)
    assert tiles[0] == encode_tile(MASK[:CHUNK, :CHUNK])
    filled = np.pad(MASK[2 * CHUNK :, CHUNK:], [(0, CHUNK - 5), (0, CHUNK - 70)])
    assert tiles[5] == encode_tile(filled)


def test_next_level_is_complete_at_the_last_tile(levels):
    """A writer that knows the number of tiles does not exhaust the iterator."""
    tiles = PyramidBuilder(levels, None).tiles(0)
    for _ in range(6):
        next(tiles)
    tiles.close()
    np.testing.assert_array_equal(levels[1][:], MASK[::2, ::2])


def test_failed_write_gives_one_line(levels, monkeypatch):
    from zarr.storage import _local

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_local, "_put", full)
    with pytest.raises(DataError, match="the large image cannot be written \\(No space left on device\\)"):
        list(PyramidBuilder(levels, encode_tile).tiles(0))
