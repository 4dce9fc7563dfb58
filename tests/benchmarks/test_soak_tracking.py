"""The soak of tracking finds what is lost or doubled, and a round of it finds nothing."""

import random

import pytest
from soak import tracking
from soak.noting import METRICS, find_losses, note, value_of
from soak.proxy import proxied

from livecell_monai.experiments import tracking as tracker
from livecell_monai.experiments import uploader
from livecell_monai.experiments.store import open_store


def test_what_is_lost_or_doubled_would_be_found(store, tmp_path):
    note(store, tmp_path / "model", "soak", 3, 0.0)
    client = open_store(store)
    (run,) = client.search_runs([client.get_experiment_by_name("soak").experiment_id])
    assert find_losses(store, "soak", 3, "FINISHED", "round 1") == []
    lacks = [f"round 1: {metric} lacks epoch 4" for metric in METRICS]
    assert find_losses(store, "soak", 4, "FINISHED", "round 1") == lacks
    client.log_metric(run.info.run_id, "lr", value_of("lr", 2), timestamp=1, step=2)
    assert find_losses(store, "soak", 3, "FINISHED", "round 1") == ["round 1: lr of epoch 2 is there 2 times"]
    client.log_metric(run.info.run_id, "val_iou", 0.5, step=4)
    client.set_terminated(run.info.run_id, "KILLED")
    found = find_losses(store, "soak", 3, "FINISHED", "round 1")
    assert "round 1: val_iou of epoch 4 is wrong" in found
    assert "round 1: the run is KILLED instead of FINISHED" in found
    client.create_run(run.info.experiment_id)
    assert find_losses(store, "soak", 3, "FINISHED", "round 1") == ["round 1: 2 runs instead of one"]


@pytest.mark.slow
def test_a_round_of_it(server, tmp_path, monkeypatch):
    monkeypatch.setattr(uploader, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(tracker, "SERVER_S", 1.0)
    with proxied(int(server[0].rpartition(":")[2])) as proxy:
        place = tracking.Place(tmp_path, server[0], proxy, random.Random(4), 4)
        assert tracking.play_harm(place) == []


@pytest.mark.slow
def test_all_of_it():
    tried = tracking.run(120, 1)
    assert [one.lost for one in tried] == [()] * 4
    assert all(one.times for one in tried)
