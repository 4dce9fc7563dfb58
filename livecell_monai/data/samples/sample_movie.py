"""Writes a drawn movie, its truth, and some of its frames as a data folder.

```
movie.ome.tif                 the movie, with its interval and pixel size
truth/man_track000.tif ...    labels of each frame, and man_track.txt: the form of the Cell Tracking Challenge
truth/tracks.csv              how each track ends; frames.csv: what drifted; movie.csv: the doubling time
train/images, train/labels    annotated frames, spread over the movie; test/... others, half-way between them
```
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import tifffile

from livecell_monai.data.plane_files import write_plane
from livecell_monai.data.samples.movie_drift import Drift, draw_drift
from livecell_monai.data.samples.movie_frames import MoviePainter
from livecell_monai.data.samples.movie_plan import MovieSettings, fit_doubling_h, plan_movie
from livecell_monai.data.samples.movie_truth import TruthTracks
from livecell_monai.data.samples.sample_set import PIXEL_SIZE_UM, new_folder
from livecell_monai.errors import SettingError
from livecell_monai.runs.atomic import make_folder, write_file, write_table
from livecell_monai.sample import Pixels

SMALLEST, LARGEST = 128, 4096  #: px of a field's side
SHORTEST_DOUBLING_H = 8.0  #: below, cells would be round most of the time
MOST_DOUBLINGS = 3.0  #: then cells cover the field


@dataclass(frozen=True)
class MovieSummary:
    """What a movie shows."""

    tracks: int
    divisions: int  #: with mother and both daughters in the field
    deaths: int
    cells: tuple[int, int]  #: in the first and in the last frame
    doubling_h: float | None  #: of the cells that are labelled, fitted to their counts; None if they do not grow


def write_sample_movie(folder: Path | str, settings: MovieSettings, *, train: int = 3, test: int = 2) -> MovieSummary:
    """Draw a movie and write it with its truth to a new or empty folder, which stays empty until every file is written.

    `train` and `test` are numbers of frames that are written as a data folder. The same settings give the same files. One
    frame is in memory at a time. Raises a SettingError for settings that make no movie, a DataError if the folder is not
    empty.
    """
    _check(settings, train, test)
    with new_folder(Path(folder)) as draft:
        plan = plan_movie(settings)
        drift_rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(7,)))
        drift = draw_drift(settings.frames, settings.interval_h, drift_rng)
        truth = TruthTracks(plan.lives)
        frames = _write_labels(draft, MoviePainter(plan, drift), truth, _choose_frames(settings.frames, train, test))
        _write_images(draft / "movie.ome.tif", frames, settings)
        summary = _summarise(truth, settings)
        _write_tables(draft / "truth", truth, drift, settings, summary)
    return summary


def _check(settings: MovieSettings, train: int, test: int) -> None:
    """Raise a SettingError for the first setting that makes no movie."""
    needed = train + test
    for name, value, is_right, rule in (
        ("train", train, train >= 1, "at least 1 frame"),
        ("test", test, test >= 0, "at least 0 frames"),
        ("frames", settings.frames, settings.frames >= needed, f"at least {needed}, {train} to train and {test} to test"),
        ("interval", settings.interval_min, 0 < settings.interval_min < np.inf, "a number of minutes above 0"),
        ("size", settings.size, SMALLEST <= settings.size <= LARGEST, f"{SMALLEST} to {LARGEST} pixels"),
        ("seed", settings.seed, settings.seed >= 0, "at least 0"),
        (
            "doubling",
            settings.doubling_h,
            SHORTEST_DOUBLING_H <= settings.doubling_h < np.inf,
            f"at least {SHORTEST_DOUBLING_H:g} hours",
        ),
    ):
        if not is_right:
            raise SettingError(f"--{name}: a sample movie needs {rule}, got {value:g}; choose another value")
    most = math.floor(MOST_DOUBLINGS * settings.doubling_h * 60 / settings.interval_min + 1e-9) + 1
    if settings.frames > most:
        raise SettingError(
            f"--frames: a sample movie needs at most {most} frames with --interval {settings.interval_min:g} and --doubling "
            f"{settings.doubling_h:g}, in which cells double {MOST_DOUBLINGS:g} times, got {settings.frames}; choose fewer"
        )


def _choose_frames(frames: int, train: int, test: int) -> dict[int, str]:
    """The role of annotated frames: `train` from the first to the last, `test` as far from all others as can be."""
    chosen = dict.fromkeys((round(at) for at in np.linspace(0, frames - 1, train)), "train")
    for _ in range(test):
        free = [frame for frame in range(frames) if frame not in chosen]
        chosen[max(free, key=lambda frame: min(abs(frame - other) for other in chosen))] = "test"
    return chosen


def _write_labels(draft: Path, painter: MoviePainter, truth: TruthTracks, roles: dict[int, str]) -> Iterator[Pixels]:
    """The images of a movie, one at a time; the labels of each are written when it is drawn."""
    for index, frame in enumerate(painter.paint()):
        label = truth.add(frame.cells)
        write_plane(make_folder(draft / "truth") / f"man_track{index:03d}.tif", label, PIXEL_SIZE_UM)
        if index in roles:
            for kind, plane in (("images", frame.image), ("labels", label)):
                write_plane(make_folder(draft / roles[index] / kind) / f"movie_t{index:03d}.tif", plane, PIXEL_SIZE_UM)
        yield frame.image


def _write_images(path: Path, frames: Iterator[Pixels], settings: MovieSettings) -> None:
    """Write an OME-TIFF (T, Y, X) from frames as they are drawn."""
    metadata: dict[str, Any] = {"axes": "TYX", "Name": "movie", "Channel": {"Name": "phase contrast"}}
    metadata |= {f"PhysicalSize{axis}": size for axis, size in zip("YX", PIXEL_SIZE_UM, strict=True)}
    metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in "YX"}
    metadata["UUID"] = str(uuid5(NAMESPACE_OID, repr(settings)))  # by default a new one each time: other bytes
    metadata |= {"TimeIncrement": settings.interval_min, "TimeIncrementUnit": "min"}
    shape = (settings.frames, settings.size, settings.size)
    with tifffile.TiffWriter(path, bigtiff=2 * np.prod(shape, dtype=float) > 2**32 - 2**25, ome=True) as writer:
        writer.write(
            frames,
            shape=shape,
            dtype=np.uint16,
            photometric="minisblack",
            compression="zlib",
            maxworkers=1,  # several would draw many frames ahead
            metadata=metadata,
        )


def _summarise(truth: TruthTracks, settings: MovieSettings) -> MovieSummary:
    counts = np.array(truth.counts)
    return MovieSummary(
        tracks=len(truth.tracks),
        divisions=truth.count_divisions(),
        deaths=sum(row["fate"] == "died" for row in truth.list_rows()),
        cells=(int(counts[0]), int(counts[-1])),
        doubling_h=fit_doubling_h(counts, settings.interval_h),
    )


def _write_tables(folder: Path, truth: TruthTracks, drift: Drift, settings: MovieSettings, summary: MovieSummary) -> None:
    write_file(folder / "man_track.txt", truth.write_lines())
    write_table(folder / "tracks.csv", truth.list_rows())
    rows = zip(truth.counts, drift.shift, drift.blur, drift.light, strict=True)
    write_table(
        folder / "frames.csv",
        [
            {
                "frame": frame,
                "time_min": round(frame * settings.interval_min, 6),
                "cells": cells,
                "shift_y_px": round(float(shift[0]), 3),
                "shift_x_px": round(float(shift[1]), 3),
                "blur_px": round(float(blur), 3),
                "light": round(float(light), 4),
            }
            for frame, (cells, shift, blur, light) in enumerate(rows)
        ],
    )
    fitted = "" if summary.doubling_h is None else round(summary.doubling_h, 2)
    row = {
        "doubling_time_h": settings.doubling_h,
        "doubling_time_of_labels_h": fitted,
        "frames": settings.frames,
        "interval_min": settings.interval_min,
        "pixel_size_um": PIXEL_SIZE_UM[0],
        "cells_first": summary.cells[0],
        "cells_last": summary.cells[1],
        "divisions": summary.divisions,
        "deaths": summary.deaths,
        "seed": settings.seed,
    }
    write_table(folder / "movie.csv", [row])
