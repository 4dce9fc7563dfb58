"""Commands about data and settings: sample, info, check, plan, settings."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from livecell_monai.cli.app import (
    Axes,
    Data,
    Images,
    Overwrite,
    Set,
    UnlabelledValue,
    announced_data,
    app,
    opened_data,
    print_problems,
    print_skipped,
    read_settings,
)
from livecell_monai.cli.tables import show_table
from livecell_monai.errors import SettingError


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write; must be empty or new.")],
    train: Annotated[int, typer.Option(min=1, help="Number of annotated training images.")] = 3,
    test: Annotated[
        int | None, typer.Option(min=0, help="Number of test images, with labels: 12; of a movie 2.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=64, help="Height and width in pixels: 1024; of a movie 512.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other images.")] = 0,
    movie: Annotated[
        bool, typer.Option("--movie", help="Write a movie of moving, dividing cells, with its tracks.")
    ] = False,
    frames: Annotated[int | None, typer.Option(help="Frames of a movie: 48.", show_default=False)] = None,
    interval: Annotated[float | None, typer.Option(help="Minutes between its frames: 30.", show_default=False)] = None,
    doubling: Annotated[
        float | None, typer.Option(help="Hours in which its cells double in number: 24.", show_default=False)
    ] = None,
) -> None:
    """Write a synthetic set of phase-contrast-like images with labels and border weights, or a movie with its tracks.

    Example: `livecell sample cells`, or `livecell sample cells --movie`
    """
    given = {"frames": frames, "interval_min": interval, "doubling_h": doubling, "size": size}
    if movie:
        _write_movie(folder, {name: value for name, value in given.items() if value is not None}, seed, train, test)
        return
    for name, value in (("frames", frames), ("interval", interval), ("doubling", doubling)):
        if value is not None:
            raise SettingError(f"--{name} describes a movie, got {value:g} without --movie; add --movie or leave it out")
    from livecell_monai.data.samples.sample_set import write_sample_set

    side, test = 1024 if size is None else size, 12 if test is None else test
    write_sample_set(folder, train=train, test=test, shape=(side, side), seed=seed)
    print(f"{folder}: {train} training and {test} test images of {side} x {side} pixels")


def _write_movie(folder: Path, given: dict[str, Any], seed: int, train: int, test: int | None) -> None:
    """Write a sample movie and print what it shows and what to do with it."""
    from livecell_monai.data.samples.movie_plan import MovieSettings
    from livecell_monai.data.samples.sample_movie import write_sample_movie

    settings = MovieSettings(**given, seed=seed)
    done = write_sample_movie(folder, settings, train=train, test=2 if test is None else test)
    side, (first, last) = settings.size, done.cells
    growth = "no doubling time can be fitted" if done.doubling_h is None else f"doubling in {done.doubling_h:.1f} h"
    print(
        f"{folder}: a movie of {settings.frames} frames of {side} x {side} pixels, {settings.interval_min:g} min apart; "
        f"{first} cells in the first and {last} in the last frame, {growth}; {done.divisions} divisions"
    )


@app.command()
def info(images: Images, axes: Axes = None) -> None:
    """Show the axes, type, pixel size, interval and channels of image files; only their headers are read.

    `livecell info start` shows what the start that livecell ships has seen. The exit code is 2 if a file cannot be opened.

    Example: `livecell info movie.nd2`
    """
    from livecell_monai.data.paths import list_images
    from livecell_monai.data.readers import describe_axes, open_stack
    from livecell_monai.errors import LiveCellError
    from livecell_monai.outputs.figures import is_our_picture

    if [str(path) for path in images] == ["start"] and not Path("start").exists():
        _show_start()
        return
    print_skipped(images)
    rows, problems = [], []
    paths = list_images(images)
    pictures = [path for path in paths if is_our_picture(path) and path not in images]
    if pictures:
        print(f"note: skipped {len(pictures)} overlays and plots of livecell, such as {pictures[0].name}", file=sys.stderr)
    for path in (path for path in paths if path not in pictures):
        try:
            with open_stack(path, axes) as stack:
                size, step, interval = stack.pixel_size_um, stack.z_step_um, stack.interval_min
                rows.append(
                    [
                        path.name,
                        describe_axes(stack.axes, stack.shape),
                        str(stack.dtype),
                        "" if size is None else f"{size[0]:.4g} x {size[1]:.4g} µm",
                        "" if step is None else f"{step:.4g} µm",
                        "" if interval is None else f"{interval:.4g} min",
                        ", ".join(f"{index} {name}" for index, name in enumerate(stack.channels)),
                    ]
                )
        except LiveCellError as error:
            problems.append(str(error))
    if rows:
        show_table(["image", "axes", "type", "pixel, Y x X", "Z step", "frame every", "channels"], rows)
    print_problems(problems)


def _show_start() -> None:
    """Print what the shipped start is."""
    from livecell_monai.bundle.start import read_shipped_start

    found = read_shipped_start()
    rows = [
        ("SHA-256", found.sha256),
        ("maps", ", ".join(found.start.head)),
        ("expects cells of", f"{found.start.diameter:g} px at the working scale"),
        *((name, str(value)) for name, value in found.start.network.items()),
        *found.facts.items(),
    ]
    show_table(["start", ""], rows)


@app.command()
def check(data: Data, unlabelled_value: UnlabelledValue = None) -> None:
    """Show the images of a data folder, their problems, and measurements of the training images.

    The exit code is 2 if there is a problem.

    Example: `livecell check cells`
    """
    from livecell_monai.settings import check_values

    with announced_data(data) as prepared:
        check_values({"unlabelled_value": unlabelled_value})
        _check(prepared.path, unlabelled_value, prepared.restate)


def _check(data: Path, unlabelled_value: int | None, restate: Callable[[str], str]) -> None:
    from livecell_monai.data.dataset.findings import (
        check_data,
        describe_ignored,
        describe_split_ids,
        describe_unlabelled_tests,
        describe_without_cells,
    )
    from livecell_monai.data.dataset.folder import list_samples
    from livecell_monai.plan import describe_fingerprint, measure_fingerprint

    findings = check_data(data, unlabelled_value)
    with_ignored = any(found.ignored for found in findings)
    rows = [
        [
            found.role,
            found.name,
            "" if found.size is None else f"{found.size[0]} x {found.size[1]}",
            found.dtype,
            "" if found.low is None else f"{found.low:g} .. {found.high:g}",
            *([f"{found.ignored:.1%}"] if with_ignored else []),
            "" if found.foreground is None else f"{found.foreground:.1%}",
            "" if found.cells is None else str(found.cells),
            "ok" if found.problem is None else "PROBLEM",
        ]
        for found in findings
    ]
    ignored = ["not annotated"] if with_ignored else []
    show_table(["set", "image", "Y x X", "type", "values", *ignored, "foreground", "cells", ""], rows)
    for warning in (found.warning for found in findings if found.warning is not None):
        print(f"WARNING: {restate(warning)}")
    describe = (describe_ignored, describe_without_cells, describe_split_ids, describe_unlabelled_tests)
    of_all = [each(findings) for each in describe]
    for note in (*(found.note for found in findings), *of_all):
        if note is not None:
            print(f"note: {restate(note)}")
    print_problems([restate(found.problem) for found in findings if found.problem is not None])
    print()
    samples = list_samples(data, "train", unlabelled_value)
    show_table(["training images", ""], describe_fingerprint(measure_fingerprint(samples)))


@app.command()
def plan(
    data: Data,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="YAML file to write, for train --config.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time for the whole training.")] = None,
    unlabelled_value: UnlabelledValue = None,
    overwrite: Overwrite = False,
    set_: Set = [],  # noqa: B006
) -> None:
    """Show the settings that `train` chooses for the annotated images, each with its reason.

    Example: `livecell plan cells --minutes 10 --output plan.yaml`
    """
    from livecell_monai.plan import format_plan, write_plan
    from livecell_monai.runs.atomic import check_overwrite
    from livecell_monai.training.setup import plan as run

    if output is not None:
        check_overwrite(output, overwrite)
    with opened_data(data) as folder:
        choices, head = run(folder, settings=read_settings(set_, minutes=minutes, unlabelled_value=unlabelled_value))
    if output is not None:
        write_plan(output, choices, head)
    print(format_plan(choices, head), end="")


@app.command()
def settings(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Settings to show; all by default.")] = None,
) -> None:
    """Show the settings with their default, allowed values, unit and description.

    Example: `livecell settings lr scale`
    """
    from livecell_monai.settings import SETTINGS, find_setting
    from livecell_monai.settings.rendering import to_yaml

    chosen = [find_setting(name) for name in names or SETTINGS]
    rows = [[each.name, to_yaml(each.default), each.rule, each.unit, each.description] for each in chosen]
    show_table(["setting", "default", "values", "unit", "description"], rows)
