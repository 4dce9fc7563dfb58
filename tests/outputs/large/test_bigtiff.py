"""The mask as BigTIFF, read back by tifffile."""

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError
from livecell_monai.outputs.large.bigtiff import encode_tile, write_bigtiff
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.outputs.large.pyramid_builder import PyramidBuilder

SHAPE = (CHUNK + 333, 2 * CHUNK + 1)
ROWS, COLUMNS = np.indices(SHAPE, np.int32)
MASK = ((np.sin(ROWS / 37) + np.cos(COLUMNS / 51)) > 0.4).astype(np.uint8) * 255
LEVELS = [MASK, MASK[::2, ::2], MASK[::4, ::4]]


@pytest.mark.parametrize("size", [(0.5, 0.25), None], ids=str)
def test_tifffile_reads_every_level(tmp_path, size):
    path = tmp_path / "large.ome.tif"
    levels = (
        PyramidBuilder([LEVELS[0]], encode_tile),
        PyramidBuilder([LEVELS[1]], encode_tile),
        PyramidBuilder([LEVELS[2]], encode_tile),
    )
    write_bigtiff(path, [level.shape for level in LEVELS], lambda number: levels[number].tiles(0), size)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
        assert tif.is_ome
        (series,) = tif.series
        assert series.axes == "YX"
        assert [level.shape for level in series.levels] == [level.shape for level in LEVELS]
        for number, level in enumerate(series.levels):
            assert level.keyframe.is_tiled
            np.testing.assert_array_equal(level.asarray(), LEVELS[number])
    plane = read_plane(path)
    assert plane.pixel_size_um == (None if size is None else pytest.approx(size))
    assert [other.name for other in tmp_path.iterdir()] == ["large.ome.tif"]


def test_failed_write_keeps_the_earlier_file(tmp_path):
    path = tmp_path / "large.ome.tif"
    path.write_text("earlier")

    def torn(number):
        yield encode_tile(MASK[:CHUNK, :CHUNK])
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left on device"):
        write_bigtiff(path, [SHAPE], torn, None)
    assert path.read_text() == "earlier"
    assert [other.name for other in tmp_path.iterdir()] == ["large.ome.tif"]
