"""The smaller levels and the metadata, read back by ome-zarr and zarr."""

import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.outputs.large.pyramid import create_levels, describe_pyramid, list_level_shapes
from livecell_monai.outputs.large.pyramid_builder import PyramidBuilder

SHAPE = (2 * CHUNK + 333, 4 * CHUNK + 1)
SIZE = (0.5, 0.25)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(mask, folder of the OME-Zarr image, levels)."""
    folder = LargeImageFolder(tmp_path_factory.mktemp("large"), "large")
    rows, columns = np.indices(SHAPE, np.int32)
    mask = ((np.sin(rows / 37) + np.cos(columns / 51)) > 0.4).astype(np.uint8) * 255
    folder.start({"started_with": {}}, SHAPE, mask[:2, :2])
    with ChunkWriter(folder.array()) as writer:
        writer.add(0, 0, mask)
    levels = create_levels(folder.image)
    PyramidBuilder(levels, None).run()
    describe_pyramid(folder.image, "large", SIZE)
    return mask, folder.image, levels


def test_level_shapes():
    assert list_level_shapes((1024, 1024)) == [(1024, 1024)]
    assert list_level_shapes(SHAPE) == [(2381, 4097), (1191, 2049), (596, 1025), (298, 513)]


def test_each_level_has_every_second_pixel(made):
    mask, _, levels = made
    for number, level in enumerate(levels):
        np.testing.assert_array_equal(level[:], mask[:: 2**number, :: 2**number])
    assert [level.shape for level in levels] == list_level_shapes(SHAPE)


def test_ome_zarr_reads_it_with_axes_and_micrometres(made):
    mask, folder, levels = made
    (node,) = list(Reader(parse_url(folder))())
    assert [(axis["name"], axis["unit"]) for axis in node.metadata["axes"]] == [("y", "micrometer"), ("x", "micrometer")]
    scales = [part[0]["scale"] for part in node.metadata["coordinateTransformations"]]
    assert scales == [[0.5 * 2**number, 0.25 * 2**number] for number in range(len(levels))]
    np.testing.assert_array_equal(np.asarray(node.data[0]), mask)
    assert zarr.open_group(folder, mode="r").attrs["ome"]["version"] == "0.5"
