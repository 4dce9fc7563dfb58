"""Commands about models: train, score, predict."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from livecell_monai.cli.app import STARTED, Bundle, Data, Overwrite, Set, app, check_arguments, read_settings
from livecell_monai.cli.tables import show_summary

PARTLY = 3  # exit code where some images have no mask


@app.command()
def train(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data folder (train/images, train/labels ...) or datalist JSON; none with --resume RUN."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder that becomes the bundle; empty or new.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time for the whole run, from its start; the schedule is made to fit.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set epochs=N.")] = None,
    unlabelled: Annotated[
        list[Path], typer.Option(help="Images without labels to learn from as well: a file, folder or glob; repeatable.")
    ] = [],  # noqa: B006
    recipe: Annotated[
        str | None, typer.Option(help="planned: from the images, by default; original: the report's own.")
    ] = None,
    config: Annotated[list[str], typer.Option(help="Overlay: smoke, or a YAML file such as a plan; repeatable.")] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.")] = None,
    devices: Annotated[
        int | None, typer.Option(help="GPUs, or parts of the processor, that share each batch; 1 by default.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|auto",
            help="Go on with the training in the folder RUN that was stopped; auto: with that in --output, or else begin.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on although the data have changed.")] = False,
    set_: Set = [],  # noqa: B006
) -> None:
    """Train a U-Net; the output folder is then a complete MONAI Bundle.

    A training that was stopped, however it was, goes on by `--resume RUN` to the bundle that it would have become.

    Example: `livecell train cells --output model --minutes 10`
    """
    from livecell_monai import tasks
    from livecell_monai.training.setup import RunContext

    settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
    goes_on = resume not in (None, "auto")
    given = {"DATA": data, "--output": output, "--recipe": recipe, "--config": config, "--unlabelled": unlabelled}
    check_arguments({**given, "--devices": devices}, ("DATA", "--output"), goes_on)
    folder = Path(str(resume)) if goes_on else Path(str(output))
    call, count = (config, settings, recipe or "planned"), 1 if devices is None else devices
    try:
        if goes_on:
            result = tasks.resume(folder, settings, STARTED, force)
        elif resume and tasks.is_finished(str(data), folder, *call, unlabelled, count):
            print(f"{folder}: this training is finished; next: livecell predict {folder} IMAGES --output MASKS")
            return
        else:
            context = RunContext(STARTED, resume=bool(resume), force=force)
            result = tasks.train(str(data), folder, *call, unlabelled, count, context)
    except KeyboardInterrupt:
        if tasks.is_unfinished(folder):
            print(f"stopped; go on where it was by: livecell train --resume {folder}", file=sys.stderr)
        raise
    _tell_training(folder, result)


def _tell_training(output: Path, result: Mapping[str, Any]) -> None:
    scores = result["validation"]
    leak = "  (of a split that leaks: too good)" if result["leaks"] else ""
    print(f"validation IoU {scores['iou']:.3f}, pixel accuracy {scores['accuracy']:.3f}{leak}")
    which = f"weights of epoch {result['kept_epoch']} of {result['epochs_run']}"
    print(f"{which}, {result['seconds']:.0f} s, {result['computed_on']}")
    print(f"bundle: {output}, card: {output / 'docs' / 'README.md'}, curves: {output / 'docs' / 'curves.png'}")
    print(f"next: livecell predict {output} IMAGES --output MASKS; livecell compare")


@app.command()
def evaluate(
    bundle: Bundle,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for scores.csv and scores.json.")],
    overwrite: Overwrite = False,
    set_: Set = [],  # noqa: B006
) -> None:
    """Score a bundle on labelled test images, on their original grid.

    Example: `livecell evaluate model cells --output scores`
    """
    from livecell_monai.experiments.locate import located
    from livecell_monai.tasks import evaluate as run

    with located(bundle) as folder:
        summary = run(folder, data, output, read_settings(set_), overwrite)
    show_summary(summary)
    print(f"outlines within {summary['surface_tolerance_px']:g} px count as right; by image: {output / 'scores.csv'}")


@app.command()
def predict(
    bundle: Bundle,
    images: Annotated[list[Path], typer.Argument(help="Files, folders or globs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks and summary.csv.")],
    outputs: Annotated[
        str | None,
        typer.Option(help="What to write, separated by commas: mask, summary, confluency, probability, overlay."),
    ] = None,
    probability: Annotated[bool, typer.Option("--probability", help="Add probability: NAME_probability.tif.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Add overlay: NAME_overlay.png.")] = False,
    channel: Annotated[str | None, typer.Option(help="Of files of several channels: the index from 0, or the name.")] = None,
    time: Annotated[str | None, typer.Option(help="Of movies: a frame from 0, or FIRST:STOP; all by default.")] = None,
    z: Annotated[str | None, typer.Option(help="Of files with depth: the index of the plane, from 0.")] = None,
    axes: Annotated[str | None, typer.Option(help="What the file's axes are, in their order: TYX, CZYX ...")] = None,
    movie: Annotated[bool, typer.Option("--movie", help="Each folder or glob is one movie of numbered frames.")] = False,
    interval: Annotated[float | None, typer.Option(help="Minutes from frame to frame of movies.")] = None,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was killed.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes of this machine that share the images.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A running Dask scheduler, tcp://HOST:PORT, to share them.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Write a mask TIFF (0 and 255, the image's own height and width) for every image.

    An image that cannot be read, or does not fit into memory, does not stop the others; the exit code is then 3. Images
    above 64 megapixels (`tiling_min_megapixels`,) are never in memory whole; their masks are NAME.ome.tif, with a pyramid.
    Of a movie: a stack of masks NAME.ome.tif, NAME_frames.csv and NAME_confluency.png; overlays of three frames.

    Example: `livecell predict model cells/test/images --output masks --overlay`
    """
    from livecell_monai.experiments.locate import located
    from livecell_monai.tasks import predict as run

    planes = {"channel": channel, "time": time, "z": z, "axes": axes, "movie": movie or None, "interval_min": interval}
    listed = None if outputs is None else [name.strip() for name in outputs.split(",")]
    settings = read_settings(set_, resume=resume or None, overwrite=overwrite or None, outputs=listed, **planes)
    written = _add_outputs(settings, {"probability": probability, "overlay": overlay})
    with located(bundle) as folder:
        tell = partial(print, file=sys.stderr)
        result = run(folder, images, output, settings, workers, scheduler, tell)
    if result.rows:
        what = "masks" if "mask" in written else "images"
        print(f"{output}: {len(result.rows)} {what}{' and summary.csv' if 'summary' in written else ''}")
    for message in result.failures.values():
        print(f"error: {message}", file=sys.stderr)
    if result.failures:
        total = len(result.rows) + len(result.failures)
        print(f"{len(result.failures)} of {total} images have no mask", file=sys.stderr)
        raise typer.Exit(PARTLY)


def _add_outputs(settings: dict[str, Any], flags: Mapping[str, bool]) -> list[str]:
    """Add outputs to the list that the settings have or to that of the defaults; the whole list.

    Args:
        settings: values by name; changed where an output is added.
        flags: whether to add an output, by its name.
    """
    from livecell_monai.outputs.registry import DEFAULT

    listed = settings.get("outputs", list(DEFAULT))
    if not isinstance(listed, list):
        return []  # not a list of names: refused when the bundle is opened
    more = [name for name, is_wanted in flags.items() if is_wanted and name not in listed]
    if more:
        settings["outputs"] = [*listed, *more]
    return [*listed, *more]
