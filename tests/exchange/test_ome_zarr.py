"""OME-Zarr with cells as a label image."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
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


def test_version_04_has_its_metadata_in_their_place(tmp_path):
    """Zarr 2, the keys of the specification not under `ome`, and the chunks of an array in folders."""
    planes = [LabelledPlane("a", MIXED, frame, 2, (0.5, 0.25), 3.0) for frame in range(2)]
    path = write_planes("omezarr-0.4", tmp_path / "a_cells.zarr", planes)
    assert not list(path.rglob("zarr.json"))
    assert (path / "0" / "1" / "0" / "0").is_file()
    top, inner, label = (json.loads((path / each / ".zattrs").read_text()) for each in ("", "labels", "labels/cells"))
    for found in (top, label):
        (scales,) = found["multiscales"]
        assert scales["version"] == "0.4"
        assert [(axis["name"], axis["unit"]) for axis in scales["axes"]] == [
            ("t", "minute"),
            ("y", "micrometer"),
            ("x", "micrometer"),
        ]
        assert scales["datasets"][0]["coordinateTransformations"] == [{"type": "scale", "scale": [3.0, 0.5, 0.25]}]
    assert inner == {"labels": ["cells"]}
    assert label["image-label"] == {"version": "0.4", "source": {"image": "../../"}}
    with open_stack(path / "labels" / "cells") as stack:
        assert (stack.axes, stack.pixel_size_um, stack.interval_min) == ("TYX", (0.5, 0.25), 3.0)
        np.testing.assert_array_equal(stack.read(1), MIXED)


@pytest.mark.parametrize("name", ["omezarr", "omezarr-0.4"])
def test_the_library_of_naparis_plugin_finds_image_and_label(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # raised by the import itself
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Reader
    path = write_labels(name, tmp_path, MIXED)
    nodes = list(Reader(parse_url(str(path), mode="r"))())
    found = {Path(str(node.zarr)).name: np.asarray(node.data[0]) for node in nodes if node.data}
    assert len(found) == 2
    assert any((data == MIXED).all() for data in found.values())
