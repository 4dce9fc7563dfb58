"""The label images of movies that `livecell track` segments by a bundle before it links them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livecell_monai.bundle.contents import read_bundle_settings
from livecell_monai.bundle.foreign.files import is_foreign
from livecell_monai.data.paths import is_frame_series
from livecell_monai.errors import DataError, LiveCellError, SettingError
from livecell_monai.report.movie_tracks import TrackOptions, check_folder
from livecell_monai.report.tracking import MoviePaths
from livecell_monai.tracks.movie import Movie, name_movie

CELLS = "_cells.ome.tif"  #: after the name of a movie: its label images
CELLS_OF_IMAGE = "_cells.tif"  #: the same of an image, or of a movie of one frame


def segment_movies(
    bundle: Path,
    movies: Sequence[Path],
    output: Path,
    settings: Mapping[str, Any],
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[MoviePaths]:
    """Segment movies by a bundle into `NAME_cells.ome.tif` in `output`.

    Raises:
        LiveCellError: as `tasks.predict`.
        DataError: a movie could not be segmented, or the bundle gives no cells.
        SettingError: a movie has tracks in `output` already, without `overwrite` in the settings; or they choose frames.
    """
    from livecell_monai.tasks import predict

    if settings.get("time") is not None:
        raise SettingError(
            f"setting time must be left out with livecell track, which follows all frames of a movie, got "
            f"{settings['time']!r}; save the frames to follow as a movie of their own"
        )
    options = TrackOptions(overwrite=bool(settings.get("overwrite")))
    for movie in movies:
        check_folder(output / name_movie(movie), options, [movie])
    if settings.get("axes") is None and movies and all(map(_has_unnamed_axes, movies)):
        settings = {**settings, "axes": "TYX"}
    own = {"outputs": ["cells"], "cells": True, **({"movie": True} if any(map(is_frame_series, movies)) else {})}
    gaps = {"allow_gaps": True} if "movie" in own else {}
    done = predict(bundle, movies, output, {**own, **gaps, **settings}, workers, scheduler)
    for failure in done.failures.values():
        raise DataError(failure)
    paths = [_find_cells(output, row["image"]) for row in done.rows]
    if len(paths) != len(movies):
        raise DataError(
            f"{output}: each movie must give one {CELLS}, {len(movies)} gave {len(paths)}; give movies, one by one"
        )
    all_settings = {**({} if is_foreign(bundle) else read_bundle_settings(bundle)), **settings}
    chosen = all_settings.get("channel"), all_settings.get("z")
    return [MoviePaths(*pair, *chosen) for pair in zip(paths, movies, strict=True)]


def _find_cells(output: Path, name: str) -> Path:
    """The label images that `predict` has written; those of a movie of one frame are a plain TIFF."""
    stack = output / f"{name}{CELLS}"
    return stack if stack.is_file() else output / f"{name}{CELLS_OF_IMAGE}"


def _has_unnamed_axes(movie: Path) -> bool:
    """Whether the axes of a grey movie are assumed; errors of its file are for the prediction to report."""
    try:
        with Movie(movie) as opened:
            return opened.assumed_axes is not None
    except LiveCellError:
        return False
