"""All files and pictures of one movie whose cells are linked into tracks."""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livecell_monai.cells.measure import Columns
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.confluency import time_axis
from livecell_monai.outputs.figures import write_png
from livecell_monai.outputs.tracks import ctc, geff_file, napari, tables
from livecell_monai.outputs.tracks.exchanged import CTC, ExchangedTracks, name_exported
from livecell_monai.outputs.tracks.label_stack import LabelStack
from livecell_monai.outputs.tracks.label_zarr import LabelZarr
from livecell_monai.outputs.tracks.relabel import relabel_frames
from livecell_monai.report import track_movie
from livecell_monai.report.lineage_tree import draw_tree, lay_out
from livecell_monai.report.motion import draw_growth, draw_rose, draw_speeds
from livecell_monai.report.track_movie import TrackMovie
from livecell_monai.report.track_page import TrackPage, write_track_page
from livecell_monai.runs.atomic import make_folder, move_to_name, writing_errors
from livecell_monai.tracks.growth import describe_growth, fit_growth
from livecell_monai.tracks.lineages import DIVIDED, describe_lineages
from livecell_monai.tracks.tracks import Frames, Tracks

REPORT = "report.html"
CHARTS = {"growth": "growth.png", "speeds": "speeds.png", "rose": "displacements.png", "tree": "lineage_tree.png"}
#: every name that a movie's folder may have from us: what a new run does not write is removed
NAMES = (
    *(LabelStack.name, LabelZarr.name, tables.CELLS, tables.LINEAGES, tables.FACTS, ctc.FOLDER, geff_file.NAME, napari.NAME),
    *(track_movie.MOVIE, *track_movie.STILLS, *CHARTS.values(), REPORT),
)


@dataclass(frozen=True)
class TrackOptions:
    """Which files are written."""

    label_format: Literal["tiff", "zarr"] = "tiff"  #: of the label images: `tracks.ome.tif` or `tracks.ome.zarr`
    ctc: bool = True  #: the folder of the Cell Tracking Challenge
    geff: bool = True  #: the graph; it needs the extra `track`
    growth_span: tuple[int, int] | None = None  #: first and last frame of the doubling time; None for all
    export: tuple[str, ...] = ()  #: formats of other programs, see `exchange`
    overwrite: bool = False  #: replace the files of an earlier run; other files in the folder stay


def write_tracks(
    tracks: Tracks, labels: Frames, images: Frames | None, folder: Path, options: TrackOptions | None = None
) -> list[str]:
    """Write the label stack, tables, CTC folder, GEFF, napari tracks, pictures and the page of one movie into its folder.

    All are written into a hidden folder beside it first, frame by frame, which then gets the name. In a folder that exists,
    they take their names one after the other once all of them are complete.

    Args:
        tracks: the movie.
        labels: its label images, those that were linked; each frame is read once.
        images: its grey images for the pictures; None if there are none.
        folder: of this movie alone; its parent is created.
        options: which files.

    Returns what was written, a line for each kind of file.

    Raises:
        DataError: labels or images are not those of the tracks, or a file cannot be written. Nothing is left behind then.
        SettingError: the folder has files and `overwrite` is not set, the span of growth is not in the movie, or an extra is
            missing.
    """
    options = options or TrackOptions()
    check_folder(folder, options)
    if images is not None and len(images) != tracks.frames:
        raise DataError(
            f"{tracks.name}: expected {tracks.frames} grey images, got {len(images)}; give those of the same movie"
        )
    growth = fit_growth(tracks, options.growth_span)
    with _publishing(folder) as partial:
        lineages = describe_lineages(tracks)
        lines = [_describe(tracks, lineages), describe_growth(growth, tracks.interval_min)]
        lines += _write_frames(partial, folder.name, tracks, labels, images, options)
        channel, z = getattr(images, "planes", (0, 0))
        source = {"labels": _find_path(labels), "images": _find_path(images), "channel": channel, "z": z}
        tables.write_tables(partial, tracks, lineages, source, name_exported(options.export, folder.name))
        napari.write_napari(partial / napari.NAME, tracks)
        if options.geff:
            stack = LabelStack.name if options.label_format == "tiff" else f"{LabelZarr.name}/labels/tracks"
            geff_file.write_geff(partial / geff_file.NAME, tracks, stack)
        label, times = time_axis([_place(tracks, frame) for frame in range(tracks.frames)])
        layout = lay_out(tracks)
        charts = {
            "growth": draw_growth(tracks, growth, times, label),
            "speeds": draw_speeds(tracks, lineages),
            "rose": draw_rose(lineages),
            "tree": draw_tree(tracks, layout, times, label),
        }
        for name, figure in charts.items():
            write_png(partial / CHARTS[name], figure)
        write_track_page(partial / REPORT, TrackPage(tracks, lineages, growth, layout, charts))
        lines.append(f"files: {', '.join(sorted(path.name for path in partial.iterdir()))}")
    return lines


def check_folder(folder: Path, options: TrackOptions, inputs: Iterable[Path | None] = ()) -> None:
    """Raise a SettingError if tracks cannot be written into a movie's folder.

    It must not be a file, have tracks without `overwrite`, or hold the frames of an input, a folder or a pattern of files.
    """
    for path in filter(None, inputs):
        if (path if path.is_dir() else path.parent).resolve() == folder.resolve() and not path.is_file():
            raise SettingError(f"{folder}: the output must not be the folder of the frames; name another folder by --output")
    if options.geff:
        geff_file.check_geff()
    for place in (folder, folder.parent):
        if place.exists() and not place.is_dir():
            raise SettingError(f"{place}: the output must be a folder, this is a file; name another folder")
    names = (*NAMES, *name_exported(options.export, folder.name))
    if folder.is_dir() and not options.overwrite and (taken := [name for name in names if (folder / name).exists()]):
        raise SettingError(f"{folder}: already has tracks ({taken[0]}); choose another folder or add --overwrite")


def _write_frames(
    folder: Path, name: str, tracks: Tracks, labels: Frames, images: Frames | None, options: TrackOptions
) -> Sequence[str]:
    """Write the files that are made of frames; returns what was left out."""
    left_out = []
    stack = LabelStack(tracks, folder) if options.label_format == "tiff" else LabelZarr(tracks, folder)
    exported = [ExchangedTracks(tracks, folder, name, form) for form in options.export if form != CTC]
    writers: list[LabelStack | LabelZarr | ctc.CtcFolder | ExchangedTracks] = [stack, *exported]
    if options.ctc:
        try:
            writers.append(ctc.CtcFolder(tracks, folder))
        except ctc.TooManyTracksError as error:
            left_out.append(f"{ctc.FOLDER}: not written, {error}")
    movie = TrackMovie(tracks, folder)
    try:
        for frame, plane in enumerate(relabel_frames(tracks, labels)):
            for writer in writers:
                writer.append(frame, plane)
            is_shown = images is not None and movie.wants(frame) and frame not in tracks.missing
            image = images[frame] if images is not None and is_shown else None
            if image is not None and image.shape != plane.shape:
                raise DataError(
                    f"{tracks.name}: grey image {frame} must have {plane.shape[0]} x {plane.shape[1]} pixels as its labels, "
                    f"got {' x '.join(map(str, image.shape))}; give the images of the same movie"
                )
            movie.append(frame, plane, image)
    except BaseException:
        for each in (stack, *exported):
            each.discard()
        raise
    return left_out


def _find_path(frames: Frames | None) -> str | None:
    """Where a movie is on disk, None if it does not say so."""
    path = getattr(frames, "path", None)
    return None if path is None else str(Path(path).absolute())


def _place(tracks: Tracks, frame: int) -> dict[str, float | None]:
    return {"frame": frame, "time_min": None if tracks.interval_min is None else frame * tracks.interval_min}


def _describe(tracks: Tracks, lineages: Columns) -> str:
    divided = int((lineages["fate"] == DIVIDED).sum())
    found = f"{_count(len(tracks), 'cell')} in {_count(tracks.frames, 'frame')}"
    return f"{found}, {_count(len(lineages['track']), 'track')}, {_count(divided, 'division')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextmanager
def _publishing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside this one, whose content gets its name if the block succeeds; it is removed else."""
    folder = folder.resolve()  # of a link to another disk, to which nothing can be moved in one step
    partial = make_folder(folder.parent) / f".writing-{uuid.uuid4().hex}"
    with writing_errors(partial):
        partial.mkdir()
    try:
        yield partial
        if not folder.exists():
            move_to_name(partial, folder, folder.parent)
            return
        _replace_files(folder, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace_files(folder: Path, partial: Path) -> None:
    """Move the files of a hidden folder into this one, in place of those of an earlier run; all, or none if one fails."""
    written = sorted(path.name for path in partial.iterdir())
    earlier = dict.fromkeys([*NAMES, *tables.list_exported(folder), *written])
    aside = partial / ".aside"
    moves = [(folder / name, aside / name) for name in earlier if os.path.lexists(folder / name)]
    moves += [(partial / name, folder / name) for name in written]
    done: list[tuple[Path, Path]] = []
    try:
        with writing_errors(folder):
            aside.mkdir()
            for source, target in moves:
                source.rename(target)
                done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            target.rename(source)
        raise
