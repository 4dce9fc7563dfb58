"""The stack of label images whose ids are tracks."""

import numpy as np
import pytest
import tifffile

from livecell_monai.data.readers import open_stack
from livecell_monai.outputs.tracks.label_stack import LabelStack
from tests.support.track_worlds import draw_labels, some_tracks


def test_the_stack_is_read_back_with_time_and_size(tmp_path):
    tracks = some_tracks()
    planes = draw_labels(some_tracks(label=tracks.track))
    stack = LabelStack(tracks, tmp_path)
    for frame, plane in enumerate(planes[:-1]):
        stack.append(frame, plane)
    assert not (tmp_path / "tracks.ome.tif").exists()  # until it is complete
    stack.append(len(planes) - 1, planes[-1])
    with open_stack(tmp_path / "tracks.ome.tif") as found:
        assert (found.length("T"), found.dtype, found.pixel_size_um, found.interval_min) == (6, np.uint16, (0.5, 0.5), 10.0)
        np.testing.assert_array_equal(found.read(time=4), planes[4])


@pytest.mark.parametrize(("highest", "dtype"), [(65535, np.uint16), (65536, np.uint32)])
def test_many_tracks_need_32_bits(tmp_path, highest, dtype):
    tracks = some_tracks({highest: {0: (10, 10)}}, {}, frames=1, drift=np.zeros((1, 2)))
    LabelStack(tracks, tmp_path).append(0, np.full((48, 64), highest))
    found = tifffile.imread(tmp_path / "tracks.ome.tif")
    assert (found.dtype, found.max()) == (dtype, highest)


def test_an_incomplete_stack_is_deleted(tmp_path):
    tracks = some_tracks()
    stack = LabelStack(tracks, tmp_path)
    stack.append(0, draw_labels(tracks)[0])
    assert list(tmp_path.iterdir())
    stack.discard()
    assert not list(tmp_path.iterdir())
