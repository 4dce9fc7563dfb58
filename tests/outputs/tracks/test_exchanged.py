"""Tracks in the formats of other programs."""

import json

import numpy as np
import pytest

from livecell_monai.exchange.registry import FORMATS
from livecell_monai.outputs.tracks.exchanged import CTC, ExchangedTracks, name_exported
from livecell_monai.outputs.tracks.relabel import relabel_frames
from tests.support.annotated import read_all, to_labels
from tests.support.track_worlds import FRAMES, SHAPE, draw_labels, some_tracks

NAMES = tuple(name for name, form in FORMATS.items() if form.writer and name != CTC)


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_of_the_tracks_in_all_frames(name, tmp_path):
    tracks = some_tracks()
    output = ExchangedTracks(tracks, tmp_path, "dish", name)
    planes = list(relabel_frames(tracks, draw_labels(tracks)))
    for frame, plane in enumerate(planes):
        output.append(frame, plane)
    assert [path.name for path in tmp_path.iterdir()] == name_exported((name, CTC), "dish")
    found = read_all(name, next(tmp_path.iterdir()), ["dish"])
    assert [each.frame for each in found] == list(range(FRAMES))
    for each, plane in zip(found, planes, strict=True):
        np.testing.assert_array_equal(to_labels(each, SHAPE)[0], plane)


def test_geojson_states_frame_and_track(tmp_path):
    tracks = some_tracks()
    output = ExchangedTracks(tracks, tmp_path, "dish", "geojson")
    for frame, plane in enumerate(relabel_frames(tracks, draw_labels(tracks))):
        output.append(frame, plane)
    features = json.loads((tmp_path / "dish.geojson").read_text())["features"]
    places = {(int(each["properties"]["name"]), each["geometry"]["plane"]["t"]) for each in features}
    assert places == set(zip(tracks.track.tolist(), tracks.frame.tolist(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_an_incomplete_file_is_deleted(name, tmp_path):
    tracks = some_tracks()
    output = ExchangedTracks(tracks, tmp_path, "dish", name)
    output.append(0, np.zeros(SHAPE, np.int64))
    assert list(tmp_path.iterdir())
    output.discard()
    assert not list(tmp_path.iterdir())
