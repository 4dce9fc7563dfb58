"""OME-Zarr with cells as a label image."""

import warnings
from pathlib import Path

import numpy as np
import zarr

from livecell_monai.data.readers import open_stack
from livecell_monai.exchange.base import LabelledPlane
from tests.support.annotated import MIXED, write_labels, write_planes


def read_ome(path):
    return dict(zarr.open_group(str(path), mode="r").attrs)["ome"]


def test_image_and_label_have_the_same_levels(tmp_path):
    labels = np.zeros((40, 2100), np.uint16)
    labels[::2, ::4] = 9
    path = write_labels("omezarr", tmp_path, labels)
    assert read_ome(path / "labels") == {"labels": ["cells"], "version": "0.5"}
    image, label = (read_ome(each) for each in (path, path / "labels" / "cells"))
    for found in (image, label):
        (scales,) = found["multiscales"]
        assert [axis["name"] for axis in scales["axes"]] == ["y", "x"]
        steps = [level["coordinateTransformations"][0]["scale"] for level in scales["datasets"]]
        assert steps == [[1, 1], [2, 2], [4, 4]]
    assert label["image-label"] == {"version": "0.5", "source": {"image": "../../"}}
    levels = zarr.open_group(str(path / "labels" / "cells"), mode="r")
    for number, step in enumerate((1, 2, 4)):
        assert levels[str(number)].dtype == np.uint32
        np.testing.assert_array_equal(levels[str(number)][:], labels[::step, ::step])
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.read(), (labels > 0) * 255)


def test_a_movie_with_sizes(tmp_path):
    planes = [LabelledPlane("a", MIXED + frame * (MIXED > 0), frame, 2, (0.5, 0.25), 3.0) for frame in range(2)]
    path = write_planes("omezarr", tmp_path / "a_cells.ome.zarr", planes)
    with open_stack(path / "labels" / "cells") as stack:
        assert (stack.axes, stack.pixel_size_um, stack.interval_min) == ("TYX", (0.5, 0.25), 3.0)
        np.testing.assert_array_equal(stack.read(1), planes[1].labels)


def test_the_library_of_naparis_plugin_finds_image_and_label(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # raised by the import itself
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Reader
    path = write_labels("omezarr", tmp_path, MIXED)
    nodes = list(Reader(parse_url(str(path), mode="r"))())
    found = {Path(str(node.zarr)).name: np.asarray(node.data[0]) for node in nodes if node.data}
    assert len(found) == 2
    assert any((data == MIXED).all() for data in found.values())
