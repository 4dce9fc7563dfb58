from pathlib import Path

import pytest
from mlflow import MlflowClient

from livecell_monai.experiments.track_run import EXPERIMENT, log_scores, log_tracks
from livecell_monai.tracks.linking import link
from livecell_monai.tracks.objects import measure_objects
from tests.support.moving_cells import movie


@pytest.mark.slow
def test_a_movie_is_a_run_with_limits_counts_files_and_scores(tmp_path: Path) -> None:
    labels = movie({1: (20, 20)}, {1: (20, 22)})
    tracks = link(measure_objects(labels), labels, {"greatest_gap": 0})
    folder = tmp_path / "drawn"
    folder.mkdir()
    for name in ("tracks.csv", "report.html", "tracks.ome.tif"):
        (folder / name).write_text("text", encoding="utf-8")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    log_tracks(folder, tracks, uri)
    log_scores(folder, {"TRA": 0.9, "division_F1": None}, uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["greatest_gap"] == "0.0"
    assert run.data.metrics == {
        **{"cells": 2, "tracks": 1, "divisions": 0, "missing_frames": 0, "joined_pieces": 0},
        "TRA": 0.9,
    }
    assert sorted(one.path for one in client.list_artifacts(run.info.run_id)) == ["report.html", "tracks.csv"]


def test_scores_of_a_folder_without_a_run_are_not_logged(tmp_path: Path) -> None:
    log_scores(tmp_path, {"TRA": 0.9}, f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert not (tmp_path / "mlflow.db").exists()
