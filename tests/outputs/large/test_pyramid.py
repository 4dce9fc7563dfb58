"""The pyramid of a mask: each level is read once, for its measures, its tiles and the next level; other tools read it."""

import zlib
from collections import Counter

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter, open_level
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.outputs.large.pyramid import (
    PyramidBuilder,
    build_cell_pyramid,
    create_levels,
    describe_pyramid,
    encode_tile,
    list_level_shapes,
    survey_mask,
    write_bigtiff,
)

SHAPE = (2 * CHUNK + 333, 4 * CHUNK + 1)
SIZE = (0.5, 0.25)


def test_tiles_are_as_small_as_what_they_show():
    """The ids of cells need a few times the bytes of their mask, not forty times."""
    mask = waves((CHUNK, CHUNK))
    ids = (np.indices(mask.shape)[0] // 100 * 7 + 1000) * (mask > 0)
    sizes = {kind: len(encode_tile(ids.astype(kind))) for kind in (np.uint16, np.uint32)}
    assert all(size < 5 * len(encode_tile(mask)) for size in sizes.values())
    for kind in sizes:
        decoded = np.frombuffer(zlib.decompress(encode_tile(ids.astype(kind))), kind)
        np.testing.assert_array_equal(decoded.reshape(ids.shape), ids)


def waves(shape):
    """A mask with patches of all sizes."""
    rows, columns = np.indices(shape, np.int32)
    return ((np.sin(rows / 37) + np.cos(columns / 51)) > 0.4).astype(np.uint8) * 255


def start(folder, mask):
    """A folder whose level 0 is complete, and its levels."""
    large = LargeImageFolder(folder, "large")
    large.start({"started_with": {}}, mask.shape, mask[:2, :2])
    with ChunkWriter(large.array()) as writer:
        writer.add(0, 0, mask)
    return large, create_levels(large.image)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(mask, folder of the OME-Zarr image, levels)."""
    mask = waves(SHAPE)
    large, levels = start(tmp_path_factory.mktemp("large"), mask)
    PyramidBuilder(levels, has_tiles=False).run()
    describe_pyramid(large.image, "large", SIZE)
    return mask, large.image, levels


class TestOmeZarr:
    def test_level_shapes(self):
        assert list_level_shapes((1024, 1024)) == [(1024, 1024)]
        assert list_level_shapes(SHAPE) == [(2381, 4097), (1191, 2049), (596, 1025), (298, 513)]

    def test_each_level_has_every_second_pixel(self, made):
        mask, _, levels = made
        for number, level in enumerate(levels):
            np.testing.assert_array_equal(level[:], mask[:: 2**number, :: 2**number])
        assert [level.shape for level in levels] == list_level_shapes(SHAPE)

    def test_ome_zarr_reads_it_with_axes_and_micrometres(self, made):
        mask, folder, levels = made
        (node,) = list(Reader(parse_url(folder))())
        axes = [(axis["name"], axis["unit"]) for axis in node.metadata["axes"]]
        assert axes == [("y", "micrometer"), ("x", "micrometer")]
        scales = [part[0]["scale"] for part in node.metadata["coordinateTransformations"]]
        assert scales == [[0.5 * 2**number, 0.25 * 2**number] for number in range(len(levels))]
        np.testing.assert_array_equal(np.asarray(node.data[0]), mask)
        assert zarr.open_group(folder, mode="r").attrs["ome"]["version"] == "0.5"


class CountingArray:
    """An array that counts how often each part is read."""

    def __init__(self, array):
        self.array, self.shape, self.reads = array, array.shape, Counter()

    def __getitem__(self, part):
        self.reads[str(part)] += 1
        return self.array[part]


class TestBuilder:
    MASK = waves((2 * CHUNK + 5, CHUNK + 70))

    @pytest.fixture
    def levels(self, tmp_path):
        return start(tmp_path, self.MASK)[1]

    def test_one_pass_computes_measures_and_the_next_level(self, levels):
        counted = CountingArray(levels[0])
        builder = PyramidBuilder([counted, *levels[1:]])
        assert not np.asarray(levels[1]).any()
        tiles = list(builder.tiles(0))
        assert counted.reads.total() == len(counted.reads) == len(tiles) == 6
        np.testing.assert_array_equal(levels[1][:], self.MASK[::2, ::2])
        assert builder.foreground == np.count_nonzero(self.MASK)
        fraction, reduced = survey_mask(counted, 4)
        assert fraction == pytest.approx((self.MASK > 0).mean(), abs=1e-12)
        np.testing.assert_array_equal(reduced, self.MASK[::4, ::4])
        assert tiles[0] == encode_tile(self.MASK[:CHUNK, :CHUNK])
        filled = np.pad(self.MASK[2 * CHUNK :, CHUNK:], [(0, CHUNK - 5), (0, CHUNK - 70)])
        assert tiles[5] == encode_tile(filled)

    def test_next_level_is_complete_at_the_last_tile(self, levels):
        """A writer that knows the number of tiles does not exhaust the iterator."""
        tiles = PyramidBuilder(levels, has_tiles=False).tiles(0)
        for _ in range(6):
            next(tiles)
        tiles.close()
        np.testing.assert_array_equal(levels[1][:], self.MASK[::2, ::2])

    def test_failed_write_gives_one_line(self, levels, monkeypatch):
        from zarr.storage import _local

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(_local, "_put", full)
        with pytest.raises(DataError, match="the large image cannot be written \\(No space left on device\\)"):
            list(PyramidBuilder(levels).tiles(0))


@pytest.mark.parametrize(("count", "kind"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_a_label_image_has_the_smallest_type_that_holds_its_ids(tmp_path, count, kind):
    large = start(tmp_path, waves((20, 30)))[0]
    labels = np.zeros((20, 30), np.uint32)
    labels[3:9, 4:20] = count
    with ChunkWriter(open_level(large.cells, 0, labels.shape, np.uint32)) as writer:
        writer.add(0, 0, labels)
    path = build_cell_pyramid(large, "tiff", None, count)
    found = tifffile.imread(path)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, labels)


class TestBigTiff:
    MASK = waves((CHUNK + 333, 2 * CHUNK + 1))

    @pytest.mark.parametrize("size", [SIZE, None], ids=str)
    def test_tifffile_reads_every_level(self, tmp_path, size):
        path, planes = tmp_path / "large.ome.tif", [self.MASK, self.MASK[::2, ::2], self.MASK[::4, ::4]]
        levels = [PyramidBuilder([plane]) for plane in planes]
        write_bigtiff(path, [plane.shape for plane in planes], lambda number: levels[number].tiles(0), size)
        with tifffile.TiffFile(path) as tif:
            assert tif.is_bigtiff
            assert tif.is_ome
            (series,) = tif.series
            assert series.axes == "YX"
            assert [level.shape for level in series.levels] == [plane.shape for plane in planes]
            for number, level in enumerate(series.levels):
                assert level.keyframe.is_tiled
                np.testing.assert_array_equal(level.asarray(), planes[number])
        plane = read_plane(path)
        assert plane.pixel_size_um == (None if size is None else pytest.approx(size))
        assert [other.name for other in tmp_path.iterdir()] == ["large.ome.tif"]

    def test_failed_write_keeps_the_earlier_file(self, tmp_path):
        path = tmp_path / "large.ome.tif"
        path.write_text("earlier")

        def torn(number):
            yield encode_tile(self.MASK[:CHUNK, :CHUNK])
            raise OSError(28, "No space left on device")

        with pytest.raises(DataError, match="No space left on device"):
            write_bigtiff(path, [self.MASK.shape], torn, None)
        assert path.read_text() == "earlier"
        assert [other.name for other in tmp_path.iterdir()] == ["large.ome.tif"]
