"""Commands about models: train, evaluate, predict."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from livecell_monai.cli.app import (
    STARTED,
    Axes,
    Config,
    Data,
    Diameter,
    Export,
    Images,
    Model,
    Overwrite,
    Seed,
    Set,
    UnlabelledValue,
    app,
    list_formats,
    opened_data,
    print_skipped,
    read_settings,
)
from livecell_monai.cli.results import print_trained, report_missing
from livecell_monai.cli.tables import show_summary
from livecell_monai.errors import SettingError


@app.command()
def train(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data folder, images with annotations beside, or datalist JSON; none with --resume RUN."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Empty or new folder for the bundle.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time for the whole training; the schedule fits it.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set epochs=N.")] = None,
    unlabelled: Annotated[
        list[Path], typer.Option(help="Images without labels to learn from as well: a file, folder or glob; repeatable.")
    ] = [],  # noqa: B006
    recipe: Annotated[
        str | None, typer.Option(help="planned: from the images, the default; original: the report's.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="auto|none|BUNDLE|FILE",
            help="Weights to begin with: the shipped start, random ones, or those of a bundle or start file.",
        ),
    ] = None,
    config: Config = [],  # noqa: B006
    seed: Seed = None,
    devices: Annotated[int | None, typer.Option(help="GPUs, or parts of the CPU, that share a batch; 1 by default.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|auto",
            help="Resume the interrupted training in the folder RUN; auto: that in --output if there is one, else start.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Resume although the data have changed.")] = False,
    unlabelled_value: UnlabelledValue = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Train a U-Net; the output folder becomes a complete MONAI Bundle.

    `--resume RUN` continues an interrupted training to the same weights as without the interruption.

    Example: `livecell train cells --output model --minutes 10`
    """
    from livecell_monai import tasks
    from livecell_monai.training.setup import RunContext

    short = {"minutes": minutes, "epochs": epochs, "seed": seed, "start": start, "unlabelled_value": unlabelled_value}
    settings = read_settings(set_, **short)
    is_resumed = resume not in (None, "auto")
    given = {"DATA": data, "--output": output, "--recipe": recipe, "--config": config, "--unlabelled": unlabelled}
    _check_arguments({**given, "--devices": devices}, is_resumed)
    folder = Path(str(resume if is_resumed else output))
    shown: list[str] = []
    call, count = (config, settings, recipe or "planned"), 1 if devices is None else devices
    with ExitStack() as opened:
        source = None if data is None else opened.enter_context(opened_data(data, folder))
        print_skipped(unlabelled)
        try:
            if is_resumed:
                result = tasks.resume(folder, settings, STARTED, force)
            elif resume and tasks.is_finished(str(source), folder, *call, unlabelled, count):
                print(f"{folder}: this training is finished; next: livecell predict {folder} IMAGES --output MASKS")
                return
            else:
                # processes of several devices cannot reach this list, but the terminal
                on_shown = shown.append if count == 1 else partial(print, f"run {folder.name} in MLflow:", flush=True)
                context = RunContext(STARTED, resume=bool(resume), force=force, on_shown=on_shown)
                result = tasks.train(str(source), folder, *call, unlabelled, count, context)
        except KeyboardInterrupt:
            if tasks.is_unfinished(folder):
                print(f"to resume: livecell train --resume {folder}", file=sys.stderr)
            raise
    print_trained(result, folder, shown)


def _check_arguments(given: Mapping[str, Any], is_resumed: bool) -> None:
    """Reject arguments that --resume RUN does not allow, and a missing one of a new training."""
    for name, value in given.items():
        if is_resumed and value not in (None, []):
            raise SettingError(f"{name} must be left out with --resume RUN, which keeps those of its start, got {value}")
        if not is_resumed and name in ("DATA", "--output") and value is None:
            raise SettingError(f"{name} must be given, unless --resume names the folder of an interrupted training")


@app.command()
def evaluate(
    bundle: Model,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for scores.csv and scores.json.")],
    diameter: Diameter = None,
    overwrite: Overwrite = False,
    unlabelled_value: UnlabelledValue = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Score a bundle on labelled test images, on their original grid.

    Example: `livecell evaluate model cells --output scores`
    """
    from livecell_monai.experiments.locate import located
    from livecell_monai.metrics import describe_unusable
    from livecell_monai.prediction.zero_shot import check_diameter
    from livecell_monai.tasks import evaluate as run

    with opened_data(data, role="test") as images, located(bundle) as folder:
        settings = read_settings(set_, unlabelled_value=unlabelled_value, cell_diameter=diameter)
        check_diameter(folder, diameter)
        summary = run(folder, images, output, settings, overwrite)
    show_summary(summary)
    unusable = describe_unusable(summary["iou"]["mean"])
    if unusable is not None:
        print(f"WARNING: {unusable}; train longer, or on images like these")
    print(f"outlines within {summary['surface_tolerance_px']:g} px count as right; by image: {output / 'scores.csv'}")


@app.command()
def predict(
    bundle: Model,
    images: Images,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks and summary.csv.")],
    outputs: Annotated[
        str | None,
        typer.Option(help="What to write, separated by commas: mask, summary, confluency, probability, overlay."),
    ] = None,
    probability: Annotated[bool, typer.Option("--probability", help="Add probability: NAME_probability.tif.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Add overlay: NAME_overlay.png.")] = False,
    cells: Annotated[
        bool | None,
        typer.Option("--cells/--no-cells", help="Add or leave out NAME_cells.tif and cells.csv; by default if trained for."),
    ] = None,
    diameter: Diameter = None,
    export: Export = None,
    channel: Annotated[str | None, typer.Option(help="Channel of multi-channel files: index from 0, or name.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Frames of movies: an index from 0, or FIRST:STOP; all by default.")
    ] = None,
    z: Annotated[str | None, typer.Option(help="Plane of files with depth: index from 0.")] = None,
    axes: Axes = None,
    movie: Annotated[bool, typer.Option("--movie", help="Each folder or glob is one movie of numbered frames.")] = False,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Frames of --movie may be missing.")] = False,
    interval: Annotated[float | None, typer.Option(help="Time between frames of movies in minutes.")] = None,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted prediction.")] = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes on this machine that share the images.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler whose workers share them: tcp://HOST:PORT.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Write a mask TIFF (0 and 255, the image's own height and width) for every image.

    The bundle `start` is the one that livecell ships: it has learned nothing from your images. A bioimage.io package (zip or
    folder) or an ONNX file of grey images works too.

    An image or frame that cannot be read, or does not fit into memory, does not stop the others; the exit code is then 3.
    Images above 64 megapixels (`tiling_min_megapixels`) are predicted part by part; their masks are NAME.ome.tif, with a
    pyramid. A movie gives a stack of masks NAME.ome.tif, NAME_frames.csv and NAME_confluency.png; overlays show three
    frames.

    Example: `livecell predict model cells/test/images --output masks --overlay`
    """
    from livecell_monai.experiments.locate import located
    from livecell_monai.prediction.zero_shot import check_diameter
    from livecell_monai.tasks import predict as run

    planes = {"channel": channel, "time": time, "z": z, "axes": axes, "movie": movie or None, "interval_min": interval}
    planes["allow_gaps"] = allow_gaps or None
    listed = None if outputs is None else [name.strip() for name in outputs.split(",")]
    settings = read_settings(
        set_,
        resume=resume or None,
        overwrite=overwrite or None,
        outputs=listed,
        cells=cells,
        cell_diameter=diameter,
        **planes,
    )
    print_skipped(images)
    written = _add_outputs(
        settings, {"probability": probability, "overlay": overlay, **dict.fromkeys(list_formats(export), True)}
    )
    with located(bundle) as folder:
        check_diameter(folder, diameter)
        result = run(folder, images, output, settings, workers, scheduler, partial(print, file=sys.stderr))
    if result.rows:
        count, kind = len(result.rows), "mask" if "mask" in written else "image"
        *first, last = f"{count} {kind}{'' if count == 1 else 's'}", *result.tables
        print(f"{output}: {', '.join(first)}{' and ' if first else ''}{last}")
    report_missing(result)


def _add_outputs(settings: dict[str, Any], flags: Mapping[str, bool]) -> list[str]:
    """Add the outputs of flags to those of the settings, or of the defaults, in place; returns all outputs."""
    from livecell_monai.outputs.registry import DEFAULT

    listed = settings.get("outputs", list(DEFAULT))
    if not isinstance(listed, list):
        return []  # rejected when the bundle is opened
    more = [name for name, is_wanted in flags.items() if is_wanted and name not in listed]
    if more:
        settings["outputs"] = [*listed, *more]
    return [*listed, *more]
