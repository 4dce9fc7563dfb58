"""From label images, or a bundle and a movie, to the folder of its tracks; or from an edited table of tracks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livecell_monai.data.readers.selection import Choice
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.tracks.read_tables import find_line, read_tracks
from livecell_monai.outputs.tracks.relabel import MissingLabelError
from livecell_monai.outputs.tracks.tables import FACTS
from livecell_monai.report.movie_tracks import TrackOptions, check_folder, write_tracks
from livecell_monai.tracks.assignment import check_laptrack
from livecell_monai.tracks.limits import Limits
from livecell_monai.tracks.linking import link
from livecell_monai.tracks.movie import LabelMovie, Movie, check_same_frames
from livecell_monai.tracks.objects import measure_objects
from livecell_monai.tracks.tracks import Tracks

if TYPE_CHECKING:
    from livecell_monai.distributed.dask.cluster import Workers


@dataclass(frozen=True)
class TrackRequest:
    """How movies are linked and written."""

    limits: Mapping[str, float] = field(default_factory=dict)  #: by the names of `limits.BOUNDS`
    correct_drift: bool = True
    axes: str | None = None  #: names of the axes of the files in order; None for the file's own
    interval_min: float | None = None  #: time between frames in minutes; None for that of the file
    options: TrackOptions = field(default_factory=TrackOptions)

    def check(self) -> None:
        """Check the limits, the interval and that laptrack is installed; else a SettingError."""
        check_laptrack()
        Limits(self.limits)
        if self.interval_min is not None and not self.interval_min > 0:
            raise SettingError(f"--interval must be above 0 minutes, got {self.interval_min:g}; correct it")


@dataclass(frozen=True)
class TrackedMovie:
    """A movie whose tracks are written."""

    folder: Path  #: of its files
    tracks: Tracks
    lines: list[str]  #: what was found and written, in words
    notes: list[str] = field(default_factory=list)  #: what was assumed of its files


@dataclass(frozen=True)
class MoviePaths:
    """Where the frames of one movie are."""

    labels: Path
    images: Path | None = None
    channel: Choice = None  #: of the images, that was segmented; None if there is one
    z: Choice = None  #: plane of the images in depth; None if there is one


def list_label_movies(
    labels: Sequence[Path], images: Sequence[Path] = (), channel: Choice = None, z: Choice = None
) -> list[MoviePaths]:
    """The movies of label images with their grey images, none or as many; else a SettingError."""
    if images and len(images) != len(labels):
        raise SettingError(f"--images must be given once for each movie, {len(labels)} times, got {len(images)}; correct it")
    if not images:
        for option, choice in (("--channel", channel), ("--z", z)):
            if choice is not None:
                raise SettingError(
                    f"{option} is for grey movies, got {choice!r} without one; give --images, or leave it out"
                )
        return [MoviePaths(one) for one in labels]
    return [MoviePaths(*pair, channel, z) for pair in zip(labels, images, strict=True)]


def track_movies(
    movies: Sequence[MoviePaths],
    output: Path,
    request: TrackRequest,
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[TrackedMovie]:
    """Link movies of label images, each into a folder of its name in `output`.

    So many processes of this machine, or the workers of a scheduler, share them; a single one is linked by this process.

    Raises a LiveCellError for a wrong movie, limit or folder; movies before it are written.
    """
    request.check()
    _check_names(movies, output, request)
    if (workers is None and scheduler is None) or len(movies) == 1:
        return [track_movie(movie, output, request) for movie in movies]
    from livecell_monai.distributed.dask.cluster import check_workers, connect

    check_workers(workers, scheduler)
    with connect(None if workers is None else min(workers, len(movies)), scheduler) as found:
        done = _track_on(found, movies, output, request)
    return [replace(one, folder=output / one.folder.name) for one in done]


def _track_on(workers: "Workers", movies: Sequence[MoviePaths], output: Path, request: TrackRequest) -> list[TrackedMovie]:
    """Link movies on workers, which may run in another folder, or on another machine that shares the folders."""
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError

    from livecell_monai.distributed.dask.cluster import check_shared_folders

    named = [
        replace(one, labels=one.labels.absolute(), images=None if one.images is None else one.images.absolute())
        for one in movies
    ]
    paths = [path for one in named for path in (one.labels, one.images) if path is not None and path.exists()]
    above = next(path for path in (output.absolute(), *output.absolute().parents) if path.exists())
    check_shared_folders(workers, [*map(str, paths)], str(above))
    waiting = workers.client.map(track_movie, named, output=output.absolute(), request=request, pure=False)
    try:
        done: list[TrackedMovie] = workers.client.gather(waiting)
    except (CancelledError, CommClosedError) as error:
        raise SettingError(
            f"{workers.address}: the scheduler must run until the end, it has stopped; start it again, and use --overwrite"
        ) from error
    return done


def track_movie(movie: MoviePaths, output: Path, request: TrackRequest) -> TrackedMovie:
    """Link one movie of label images, and write its folder; errors as `track_movies`."""
    with _opened(movie, request.axes) as (labels, images):
        return _track(labels, images, output, request)


def _axes_of_labels(axes: str | None) -> str | None:
    """The axes of label images, of which there is one channel and one plane in depth."""
    return None if axes is None else axes.upper().replace("C", "").replace("Z", "")


@contextmanager
def _opened(movie: MoviePaths, axes: str | None) -> Iterator[tuple[LabelMovie, Movie | None]]:
    """The label images and the grey images of a movie, which must be of the same frames, open."""
    with ExitStack() as stack:
        labels, images = stack.enter_context(LabelMovie(movie.labels, _axes_of_labels(axes))), None
        if movie.images is not None:
            images = stack.enter_context(Movie(movie.images, axes, movie.channel, movie.z))
            check_same_frames(labels, images)
        yield labels, images


def apply_edits(edits: Path, movie: MoviePaths, output: Path, request: TrackRequest) -> TrackedMovie:
    """Write all files again from an edited `tracks.csv` into a folder of the movie's name in `output`.

    The label images are those that were linked. `tracks.json` lies beside the table, as it was written.
    Raises a DataError if the table is invalid or belongs to other label images, a SettingError for a wrong folder.
    """
    tracks = read_tracks(edits)
    tracks = replace(tracks, interval_min=request.interval_min or tracks.interval_min)
    folder = output / tracks.name
    check_folder(folder, request.options, (movie.labels, movie.images))
    with _opened(movie, request.axes) as (labels, images):
        labels.number_parts()
        try:
            lines = write_tracks(tracks, labels, images, folder, request.options)
        except MissingLabelError as error:
            line = find_line(edits, error.frame, error.label)
            raise DataError(
                f"{edits}, line {line}: label must be an id of frame {error.frame} of {movie.labels}, got {error.label}; "
                "correct it"
            ) from error
        return TrackedMovie(folder, tracks, lines, _list_notes(labels, images))


def find_movie(edits: Path) -> MoviePaths | None:
    """The movie of a table of tracks, by the `tracks.json` beside it; None if it does not say so, or it has moved."""
    try:
        source = json.loads(edits.with_name(FACTS).read_text(encoding="utf-8"))["source"]
        paths = [None if source[name] is None else Path(source[name]) for name in ("labels", "images")]
        chosen = source.get("channel"), source.get("z")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if paths[0] is None or not all(path is None or path.exists() for path in paths):
        return None
    return MoviePaths(paths[0], paths[1], *chosen)


def _check_names(movies: Sequence[MoviePaths], output: Path, request: TrackRequest) -> None:
    """Reject movies of one name, or whose folder has tracks already, before the first one is linked."""
    seen: dict[str, Path] = {}
    for movie in movies:
        with LabelMovie(movie.labels, _axes_of_labels(request.axes)) as labels:
            other = seen.setdefault(labels.name, movie.labels)
            if other is not movie.labels:
                raise DataError(f"{movie.labels}: movies must have names of their own, {other} has it too; rename one")
            check_folder(output / labels.name, request.options, (movie.labels, movie.images))


def _list_notes(labels: LabelMovie, images: Movie | None) -> list[str]:
    return labels.notes + ([] if images is None else images.notes)


def _track(labels: LabelMovie, images: Movie | None, output: Path, request: TrackRequest) -> TrackedMovie:
    if images is not None:  # a stack of labels does not state what its movie does
        labels.missing = labels.missing or images.missing
        labels.interval_min = labels.interval_min or images.interval_min
        labels.pixel_size_um = labels.pixel_size_um or images.pixel_size_um
    labels.interval_min = request.interval_min or labels.interval_min
    labels.number_parts()
    objects = measure_objects(labels, images, request.correct_drift, None if images is None else images.channels)
    tracks = link(objects, labels, request.limits)
    lines = [*map(str, tracks.limits if len(tracks) else ()), *describe_movie(tracks)]
    folder = output / tracks.name
    lines += write_tracks(tracks, labels, images, folder, request.options)
    return TrackedMovie(folder, tracks, lines, _list_notes(labels, images))


def describe_movie(tracks: Tracks) -> list[str]:
    """What was found in a movie before its cells were linked: drift, missing frames, no cells."""
    jumps = np.hypot(*np.diff(tracks.drift, axis=0).T) if tracks.frames > 1 else np.zeros(1)
    lines = []
    if jumps.any():
        y, x = tracks.drift[-1]
        lines.append(
            f"stage drift {y:+.1f} px down, {x:+.1f} px right in all, at most {jumps.max():.1f} px a frame: taken out"
        )
    if tracks.missing:
        shown = ", ".join(map(str, tracks.missing[:5])) + (", ..." if len(tracks.missing) > 5 else "")
        lines.append(f"{len(tracks.missing)} of {tracks.frames} frames are missing ({shown}): cells are linked across them")
    if len(tracks.joined):
        lines.append(f"joined pieces of cells that the segmentation cut in two: {len(tracks.joined):,}")
    if not len(tracks):
        lines.append("no cells in any frame: the tables are empty")
    return lines
