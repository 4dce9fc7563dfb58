"""A run in MLflow for the tracks of a movie: its limits and counts, its pictures, and later its scores."""

from collections.abc import Mapping
from pathlib import Path

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.experiments.tracking import RunTracker
from livecell_monai.runs.atomic import write_file
from livecell_monai.tracks.tracks import Tracks

EXPERIMENT = "livecell-tracks"
_TABLE = "tracks.csv"
_RUN = ".mlflow_run"  # file with the id of a folder's run
_LOGGED = (".png", ".mp4", ".gif", ".html", ".csv", ".json")  # endings of the files of a run


def log_tracks(folder: Path, tracks: Tracks, uri: str = "auto") -> None:
    """Log the tracks that are written in a folder: limits as parameters, counts as metrics, tables and pictures as files.

    Raises a SettingError if the store cannot be reached.
    """
    settings = {
        **{limit.name: limit.value for limit in tracks.limits},
        "frames": tracks.frames,
        "interval_min": tracks.interval_min,
        "pixel_size_um": tracks.pixel_size_um,
    }
    divided = sum(len(children) > 1 for children in tracks.children().values())
    counts = {"cells": len(tracks), "tracks": len(tracks.ids), "divisions": divided, "missing_frames": len(tracks.missing)}
    counts["joined_pieces"] = len(tracks.joined)
    names = sorted(path.name for path in folder.iterdir() if path.suffix in _LOGGED)
    data = {_TABLE: hash_file(folder / _TABLE)}
    with RunTracker(uri, EXPERIMENT, folder=folder).start(settings, data, tracks.name) as run:
        run.log_scores({name: float(value) for name, value in counts.items()}, names)
    write_file(folder / _RUN, run.run_id)


def log_scores(folder: Path, scores: Mapping[str, float | None], uri: str = "auto") -> None:
    """Log the scores of tracks in the run of their folder; nothing if they have none."""
    run_id = (folder / _RUN).read_text(encoding="utf-8") if (folder / _RUN).is_file() else ""
    if not run_id:
        return
    known = {name: value for name, value in scores.items() if value is not None}
    with RunTracker(uri, EXPERIMENT, folder=folder).start({}, {}, folder.name, again=run_id) as run:
        run.log_scores(known, [])
