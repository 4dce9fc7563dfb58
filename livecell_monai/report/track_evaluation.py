"""Scores of one movie's tracks, or of several movies', with their intervals, as tables and lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livecell_monai.errors import DataError
from livecell_monai.metrics.track_scores import (
    COUNTS,
    NAMES,
    Scores,
    check_ctc_metrics,
    match_movies,
    measure_intervals,
    score_blocks,
    score_tracks,
)
from livecell_monai.outputs.tracks import ctc
from livecell_monai.tracks.movie import LabelMovie
from livecell_monai.tracks.read_ctc import FORMS, read_ctc
from livecell_monai.tracks.tracks import Tracks

_INSIDE = (ctc.FOLDER, "TRA")  # folders of one movie, in which its label images may be


@dataclass(frozen=True)
class Evaluation:
    """The scores of movies by their folder, and those of which the intervals are made."""

    movies: Mapping[Path, Scores]
    parts: list[Scores]  #: of movies, or of blocks of frames if there is one movie
    block: int  #: frames of a block
    outlined: Mapping[Path, int] = field(default_factory=dict)  #: frames of a movie with label images of their own for SEG

    @property
    def is_blocks(self) -> bool:
        """Whether the intervals are over blocks of frames."""
        return len(self.movies) == 1

    @property
    def of(self) -> str:
        """What the intervals are over, in words."""
        return f"{len(self.parts)} blocks" if self.is_blocks else f"{len(self.movies)} movies"

    def rows(self) -> list[list[str]]:
        """A row for each score: its name, its value for one movie, the mean over parts and the interval of that mean."""
        intervals = measure_intervals(self.parts)
        rows = []
        for name in NAMES:
            own = next(iter(self.movies.values()))[name] if self.is_blocks else None
            mean, ends, count = intervals.get(name, (None, None, 0))
            shown = ["" if value is None else f"{value:.4f}" for value in (own, mean)]
            among = "" if count == len(self.parts) or not count else f" ({count} of {len(self.parts)})"
            rows.append([name, *shown, "" if ends is None else f"{ends[0]:.4f} .. {ends[1]:.4f}{among}"])
        return rows

    def lines(self) -> list[str]:
        """The divisions of each movie, and what SEG is of if it is not of all frames."""
        frames = [
            f"{folder.name}: SEG is of the {count} frames that the truth has in SEG"
            for folder, count in self.outlined.items()
        ]
        return frames + [
            f"{folder.name}: {int(one['divisions_found'] or 0)} of {int(one['divisions'] or 0)} divisions found, "
            f"{int(one['divisions_false'] or 0)} false"
            for folder, one in self.movies.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        intervals = {
            name: {"mean": mean, "interval_95": ends, "count": count}
            for name, (mean, ends, count) in measure_intervals(self.parts).items()
        }
        movies = {str(folder): {name: one[name] for name in (*NAMES, *COUNTS)} for folder, one in self.movies.items()}
        return {"movies": movies, "intervals_over": self.of, "block_frames": self.block, "intervals": intervals}


def evaluate_movies(result: Path, truth: Path, block: int) -> Evaluation:
    """The scores of the tracks in a folder, or of all movies in its folders of the same names as those of the truth.

    Raises a DataError if a folder has no tracks, or result and truth are of other frames; a SettingError without the extra.
    """
    check_ctc_metrics()
    if _find(result) is not None:
        pairs = {result: truth}
    else:
        names = sorted(one.name for one in _list(result) if _find(one) is not None)
        if not names:
            raise DataError(
                f"{result}: a folder of tracks must hold mask000.tif or ctc/, or folders that do, got none; give another"
            )
        pairs = {result / name: truth / name for name in names}
    movies: dict[Path, Scores] = {}
    parts: list[Scores] = []
    outlined = {}
    for one, other in pairs.items():
        found, found_frames = _read(one)
        true, true_frames = _read(other)
        outlines = _find_outlines(_need(other))
        if outlines:
            outlined[one] = len(outlines)
        matches = match_movies(true_frames, found_frames, str(one), outlines)
        movies[one] = score_tracks(matches, true.parents, found.parents)
        parts += [movies[one]] if len(pairs) > 1 else score_blocks(matches, true.parents, found.parents, block)
    return Evaluation(movies, parts, block, outlined)


def _list(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_dir()] if folder.is_dir() else []


def _find(folder: Path) -> Path | None:
    """The folder of label images and their text: itself, or one inside."""
    found = (
        place for place in (folder, *(folder / name for name in _INSIDE)) for _, text in FORMS if (place / text).is_file()
    )
    return next(found, None)


def _find_outlines(place: Path) -> dict[int, Path]:
    """The label images in `SEG` beside a folder `TRA`, of which some hold only markers, by the index of the frame."""
    if place.name != "TRA":
        return {}
    stems = {kind: place.parent.glob(f"{folder}/{kind}*.tif") for kind, folder in (("man_track", "TRA"), ("man_seg", "SEG"))}
    tracks, outlines = (
        {int(number): path for path in paths if (number := path.stem.removeprefix(kind)).isdecimal()}
        for kind, paths in stems.items()
    )
    return {number - min(tracks): path for number, path in sorted(outlines.items()) if number in tracks}


def _read(folder: Path) -> tuple[Tracks, LabelMovie]:
    """The tracks of a folder and their label images, which must be of all frames: an absent one has not been labelled."""
    place = _need(folder)
    tracks, labels = read_ctc(place)
    if tracks.missing:
        raise DataError(
            f"{place}: a folder of tracks must have a label image of each frame, got none of frame {tracks.missing[0]}; add "
            "it, an empty one if it has no cells"
        )
    return tracks, labels


def _need(folder: Path) -> Path:
    found = _find(folder)
    if found is None:
        texts = " or ".join(text for _, text in FORMS)
        raise DataError(f"{folder}: must be a folder of tracks with {texts}, got none; give another one")
    return found
