"""What napari's `add_tracks` takes: ids in order, times in order, a graph from child to parents."""

import numpy as np

from livecell_monai.outputs.tracks.napari import write_napari
from tests.support.track_worlds import PARENTS, some_tracks


def test_data_and_graph_are_as_napari_takes_them(tmp_path):
    tracks = some_tracks()
    write_napari(tmp_path / "napari_tracks.npz", tracks)
    with np.load(tmp_path / "napari_tracks.npz") as file:
        data, graph = file["data"], file["graph"]
    assert data.shape == (len(tracks), 4)
    np.testing.assert_array_equal(data[data[:, 0] == 2], [[2, 3, 8, 20], [2, 4, 6, 22], [2, 5, 6, 24]])
    assert (np.diff(data[:, 0]) >= 0).all()
    assert dict(graph.tolist()) == PARENTS
    assert set(graph.ravel()) <= set(data[:, 0])


def test_no_cells_are_an_empty_table(tmp_path):
    write_napari(tmp_path / "napari_tracks.npz", some_tracks({}, {}))
    with np.load(tmp_path / "napari_tracks.npz") as file:
        assert (file["data"].shape, file["graph"].shape) == ((0, 4), (0, 2))
