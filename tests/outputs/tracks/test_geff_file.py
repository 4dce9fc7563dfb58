"""Tracks as a graph in GEFF, read by its own library."""

import sys

import numpy as np
import pytest

from livecell_monai.errors import SettingError
from livecell_monai.outputs.tracks.geff_file import list_edges, write_geff
from tests.support.track_worlds import some_tracks


def test_the_graph_is_valid_and_read_back(tmp_path):
    geff = pytest.importorskip("geff")
    tracks = some_tracks(intensity=np.full(len(some_tracks()), np.nan))
    write_geff(tmp_path / "tracks.geff", tracks, "tracks.ome.tif")
    geff.validate_structure(tmp_path / "tracks.geff")
    graph, metadata = geff.read(tmp_path / "tracks.geff")
    assert graph.number_of_nodes() == len(tracks)
    starts = [node for node in graph if graph.in_degree(node) == 0]
    assert sorted(graph.nodes[node]["track"] for node in starts) == [1, 4, 5, 6, 7]  # 2 and 3 descend from 1
    divided = next(node for node in graph if graph.out_degree(node) == 2)
    assert {graph.nodes[child]["track"] for child in graph.successors(divided)} == {2, 3}
    assert graph.nodes[divided]["lineage"] == 1
    assert "intensity" not in graph.nodes[divided]  # unknown
    assert [(axis.name, axis.unit, axis.scale) for axis in metadata.axes] == [
        ("t", "frame", 10.0),
        ("y", "pixel", 0.5),
        ("x", "pixel", 0.5),
    ]
    assert metadata.related_objects[0].path == "../tracks.ome.tif"


def test_edges_follow_tracks_and_divisions():
    tracks = some_tracks()
    edges = {(int(a), int(b)) for a, b in list_edges(tracks)}
    assert len(edges) == len(tracks) - len(tracks.ids) + len(tracks.parents)
    assert {(2, 3), (2, 6)} <= edges  # from the last cell of 1 to the first ones of 2 and 3


def test_no_cells_are_an_empty_graph(tmp_path):
    geff = pytest.importorskip("geff")
    write_geff(tmp_path / "tracks.geff", some_tracks({}, {}))
    graph, _ = geff.read(tmp_path / "tracks.geff")
    assert graph.number_of_nodes() == 0


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "geff", None)
    with pytest.raises(SettingError, match=r"the extra track must be installed .* livecell-monai\[track\]"):
        write_geff(tmp_path / "tracks.geff", some_tracks())
