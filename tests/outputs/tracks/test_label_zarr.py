"""The OME-Zarr of label images whose ids are tracks."""

import numpy as np
import pytest

from livecell_monai.data.readers import open_stack
from livecell_monai.outputs.tracks.label_zarr import LabelZarr
from tests.support.track_worlds import draw_labels, some_tracks

zarr = pytest.importorskip("zarr")


def test_mask_and_ids_are_read_back_with_time_and_size(tmp_path):
    tracks = some_tracks()
    planes = draw_labels(some_tracks(label=tracks.track)).astype(np.int64)
    writer = LabelZarr(tracks, tmp_path)
    for frame, plane in enumerate(planes):
        writer.append(frame, plane)
    for name, expected in (("tracks.ome.zarr/labels/tracks", planes), ("tracks.ome.zarr", (planes > 0) * 255)):
        with open_stack(tmp_path / name) as found:
            assert (found.length("T"), found.pixel_size_um, found.interval_min) == (6, (0.5, 0.5), 10.0)
            np.testing.assert_array_equal(found.read(time=3), expected[3])
    group = zarr.open_group(str(tmp_path / "tracks.ome.zarr"), mode="r")
    assert group["labels"].attrs["ome"]["labels"] == ["tracks"]
    assert "image-label" in group["labels/tracks"].attrs["ome"]
    assert group["labels/tracks/0"].dtype == np.uint16


def test_unknown_units_are_left_out(tmp_path):
    tracks = some_tracks(interval_min=None, pixel_size_um=None)
    writer = LabelZarr(tracks, tmp_path)
    for frame, plane in enumerate(draw_labels(tracks)):
        writer.append(frame, plane)
    with open_stack(tmp_path / "tracks.ome.zarr/labels/tracks") as found:
        assert (found.pixel_size_um, found.interval_min) == (None, None)
