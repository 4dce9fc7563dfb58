"""Commands about movies: track, evaluate-tracks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecell_monai.cli.app import Axes, Diameter, Export, Overwrite, Set, Uri, app, list_formats, print_note, read_settings
from livecell_monai.cli.tables import show_table
from livecell_monai.errors import SettingError

if TYPE_CHECKING:
    from livecell_monai.report.tracking import MoviePaths, TrackedMovie, TrackRequest


@app.command()
def track(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BUNDLE] MOVIE...", help="Movies of label images; or a bundle, and the movies that it segments first."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder; each movie gets a folder of its name in it.")
    ] = Path("tracks"),
    images: Annotated[
        list[Path], typer.Option(help="Grey movie of the label images, for intensity and pictures; once a movie.")
    ] = [],  # noqa: B006
    apply: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Edited tracks.csv: write all files again from it.")
    ] = None,
    greatest_step: Annotated[float | None, typer.Option(help="Px from one frame to the next; else measured.")] = None,
    greatest_cut: Annotated[
        int | None,
        typer.Option(help="Frames for which a cell may be in two pieces, or two cells one object: 3.", show_default=False),
    ] = None,
    greatest_gap: Annotated[int | None, typer.Option(help="Frames in which a cell may be missing; else measured.")] = None,
    division_distance: Annotated[float | None, typer.Option(help="Px of a daughter from its mother; else measured.")] = None,
    division_angle: Annotated[float | None, typer.Option(help="Least degrees between daughters; else measured.")] = None,
    division_ratio: Annotated[float | None, typer.Option(help="Greatest ratio of daughters' areas; else measured.")] = None,
    drift: Annotated[bool, typer.Option("--drift/--no-drift", help="Take out the drift of the stage.")] = True,
    interval: Annotated[float | None, typer.Option(help="Time between frames in minutes.")] = None,
    axes: Axes = None,
    channel: Annotated[
        str | None, typer.Option(help="Channel of the grey movies: index from 0, or name; the one that is segmented.")
    ] = None,
    diameter: Diameter = None,
    z: Annotated[str | None, typer.Option(help="Plane of grey movies with depth: index from 0.")] = None,
    label_format: Annotated[str, typer.Option(help="Of the label images with ids of tracks: tiff or zarr.")] = "tiff",
    export: Export = None,
    overwrite: Overwrite = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes that share frames and movies.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler whose workers share them: tcp://HOST:PORT.")] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="Log each movie as a run in MLflow.")] = True,
    uri: Uri = "auto",
    set_: Set = [],  # noqa: B006
) -> None:
    """Follow cells over time: tracks, divisions, lineages.

    Movies are stacks, folders or globs of numbered frames, folders of the Cell Tracking Challenge, or OME-Zarr.

    To correct tracks, edit the columns `track` and `parent` of a copy of tracks.csv, then give it by --apply.

    Example: `livecell track model movie.tif --output tracks`
    """
    from livecell_monai.report.movie_tracks import TrackOptions
    from livecell_monai.report.tracking import TrackRequest, apply_edits, find_movie, list_label_movies, track_movies

    named = ("greatest_step", greatest_step), ("greatest_cut", greatest_cut), ("greatest_gap", greatest_gap)
    all_limits = (
        *named,
        ("division_distance", division_distance),
        ("division_angle", division_angle),
        ("division_ratio", division_ratio),
    )
    limits = {name: float(value) for name, value in all_limits if value is not None}
    if label_format not in ("tiff", "zarr"):
        raise SettingError(f"--label-format must be tiff or zarr, got {label_format!r}; correct it")
    options = TrackOptions(label_format=label_format, overwrite=overwrite, export=list_formats(export))  # type: ignore[arg-type]
    request = TrackRequest(limits, drift, axes, interval, options)
    request.check()
    shared, planes = (workers, scheduler), {"channel": channel, "z": z}
    given = list(inputs or [])
    if apply is not None:
        if limits or len(given) > 1 or len(images) > 1:
            raise SettingError("--apply takes the table of one movie and no limits; leave them out")
        _check_left_out(*shared, diameter, set_, not drift)
        movies = list_label_movies([Path(one) for one in given], images, **planes)
        movie = movies[0] if movies else find_movie(apply)
        if movie is None:
            raise SettingError(
                f"--apply {apply}: the label images must be given, {apply.with_name('tracks.json')} names none"
            )
        done = [apply_edits(apply, movie, output, request)]
    elif not given:
        raise SettingError("MOVIE must be given: label images, or a bundle and grey movies")
    elif is_bundle(given):
        settings = read_settings(set_, cell_diameter=diameter, **planes)
        segmented = _segment(given, images, output, request, shared, settings, diameter)
        done = track_movies(segmented, output, request, *shared)
    else:
        for option, value in (("--set", next(iter(set_), None)), ("--diameter", diameter)):
            if value is not None:
                raise SettingError(
                    f"{option} is for the segmentation by a bundle, got {value}; leave it out for label images"
                )
        done = track_movies(list_label_movies([Path(one) for one in given], images, **planes), output, request, *shared)
    _show(done)
    if mlflow:
        _log(done, uri)


def _check_left_out(*given: object) -> None:
    """Reject options by which cells would be found or linked again; `given` are their values."""
    for option, value in zip(("--workers", "--scheduler", "--diameter", "--set", "--no-drift"), given, strict=True):
        if value:
            raise SettingError(f"{option} must be left out with --apply, which keeps the cells and the drift of the table")


def is_bundle(inputs: Sequence[str]) -> bool:
    """Whether the first of several inputs is a bundle: its folder, `start`, a registered model, or the name of a run.

    A bioimage.io package or an ONNX file counts as one.
    """
    from livecell_monai.bundle.foreign.files import is_foreign

    first = Path(inputs[0])
    if (first / "configs" / "metadata.json").is_file() or is_foreign(first):
        return True
    return len(inputs) > 1 and not first.exists() and not any(mark in first.name for mark in "*?[")


def _segment(
    given: Sequence[str],
    images: Sequence[Path],
    output: Path,
    request: "TrackRequest",
    shared: tuple[int | None, str | None],
    settings: dict[str, Any],
    diameter: float | None,
) -> "list[MoviePaths]":
    from livecell_monai.experiments.locate import located
    from livecell_monai.prediction.zero_shot import check_diameter
    from livecell_monai.report.movie_cells import segment_movies

    bundle, *movies = given
    if not movies:
        raise SettingError(f"{bundle} is a bundle: the movies that it segments must be given after it")
    if images:
        raise SettingError("--images must be left out with a bundle, whose movies are the images")
    options = request.options
    own = {"overwrite": options.overwrite or None, "axes": request.axes, "interval_min": request.interval_min}
    settings |= {name: value for name, value in own.items() if value is not None}
    with located(bundle) as folder:
        check_diameter(folder, diameter)
        print_note(f"segmenting {len(movies)} {'movie' if len(movies) == 1 else 'movies'}")
        return segment_movies(folder, [Path(one) for one in movies], output, settings, *shared)


def _show(done: "Sequence[TrackedMovie]") -> None:
    for tracked in done:
        for note in tracked.notes:
            print_note(note)
        print(f"{tracked.tracks.name}:")
        for line in tracked.lines:
            print(f"  {line}")
        print(f"  report: {tracked.folder / 'report.html'}")


def _log(done: "Sequence[TrackedMovie]", uri: str) -> None:
    from livecell_monai.experiments.track_run import log_tracks

    for tracked in done:
        log_tracks(tracked.folder, tracked.tracks, uri)


@app.command()
def evaluate_tracks(
    result: Annotated[Path, typer.Argument(help="Folder of `livecell track`, or of the Cell Tracking Challenge.")],
    truth: Annotated[Path, typer.Argument(help="Folder of the Cell Tracking Challenge.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file of the scores to write.")] = None,
    block: Annotated[int, typer.Option(min=2, help="Frames of a block, over which the intervals are.")] = 10,
    overwrite: Overwrite = False,
    uri: Uri = "auto",
) -> None:
    """Score tracks against a truth: TRA, DET, SEG, LNK, CHOTA and the F1 of divisions.

    With one movie the intervals are over its blocks of frames; with folders of several movies, over movies.

    Example: `livecell evaluate-tracks tracks/dish truth/dish`
    """
    from livecell_monai.experiments.track_run import log_scores
    from livecell_monai.report.track_evaluation import evaluate_movies
    from livecell_monai.runs.atomic import check_overwrite, write_file

    if output is not None:
        check_overwrite(output, overwrite)
    found = evaluate_movies(result, truth, block)
    show_table([f"{found.of} of frames" if found.is_blocks else found.of, "score", "mean", "95 % interval"], found.rows())
    for line in found.lines():
        print(line)
    if output is not None:
        write_file(output, json.dumps(found.as_dict(), indent=1) + "\n")
        print(f"written: {output}")
    for movie, scores in found.movies.items():
        log_scores(movie, scores, uri)
