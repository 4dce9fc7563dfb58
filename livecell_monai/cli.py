"""The command line: parse, call one function, print."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from livecell_monai import __version__
from livecell_monai.errors import find_user_error

PARTLY = 3  # exit code where some images could not be read
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Segment live cells: three annotated images in, full-resolution masks out.",
)
Data = Annotated[Path, typer.Argument(help="Data folder (train/images, train/labels, test/images ...) or datalist JSON.")]
Bundle = Annotated[Path, typer.Argument(help="Bundle folder that `livecell train` left.")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Any setting of configs/*.yaml of the bundle; repeatable.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over the results of an earlier run.")]


def main() -> None:
    """Run the command line; what the user can mend becomes one line and exit code 2."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer makes this of Ctrl-C, without a word
            print("interrupted", file=sys.stderr)
        raise
    except Exception as error:
        known = find_user_error(error)
        if known is None:
            raise
        print(f"error: {known}", file=sys.stderr)
        sys.exit(2)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"livecell-monai {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options ahead of a command."""


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write; must be empty or new.")],
    train: Annotated[int, typer.Option(min=1, help="Number of annotated training images.")] = 3,
    test: Annotated[int, typer.Option(min=0, help="Number of test images, labels beside them.")] = 12,
    size: Annotated[int, typer.Option(min=64, help="Height and width in pixels.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other images.")] = 0,
) -> None:
    """Write a synthetic set of phase-contrast-like images with labels and border weights.

    Example: `livecell sample cells`
    """
    from livecell_monai.data.sample_set import write_sample_set

    write_sample_set(folder, train=train, test=test, shape=(size, size), seed=seed)
    print(f"{folder}: {train} training and {test} test images of {size} x {size} pixels")


@app.command()
def check(data: Data) -> None:
    """Show what a data folder holds and what is wrong with it; exit code 2 where something is.

    Example: `livecell check cells`
    """
    from livecell_monai.data.checks import check_data

    findings = check_data(data)
    rows = [
        [
            found.role,
            found.name,
            "" if found.size is None else f"{found.size[0]} x {found.size[1]}",
            found.dtype,
            "" if found.low is None else f"{found.low:g} .. {found.high:g}",
            "" if found.foreground is None else f"{found.foreground:.1%}",
            "" if found.cells is None else str(found.cells),
            "ok" if found.problem is None else "PROBLEM",
        ]
        for found in findings
    ]
    _show(["set", "image", "Y x X", "type", "values", "foreground", "cells", ""], rows)
    problems = [found.problem for found in findings if found.problem is not None]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(2)


@app.command()
def train(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that becomes the bundle; empty or new.")],
    config: Annotated[list[str], typer.Option(help="Overlay: original, smoke, or a YAML file; repeatable.")] = [],  # noqa: B006
    epochs: Annotated[int | None, typer.Option(help="Short for --set epochs=N.")] = None,
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Train a U-Net; the output folder is then a complete MONAI Bundle.

    Example: `livecell train cells --output model --set dropout=0.2`
    """
    from livecell_monai.workflow.tasks import train as run

    shorts = {"epochs": epochs, "seed": seed}
    settings = _settings(set_) | {name: value for name, value in shorts.items() if value is not None}
    result = run(data, output, config, settings)
    scores = result["validation"]
    leak = "  (of a split that leaks: too good)" if result["leaks"] else ""
    print(f"validation IoU {scores['iou']:.3f}, pixel accuracy {scores['accuracy']:.3f}{leak}")
    print(f"best epoch {result['best_epoch']} of {result['epochs_run']}, {result['seconds']:.0f} s, {result['computed_on']}")
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
    from livecell_monai.workflow.tasks import evaluate as run

    summary = run(bundle, data, output, _settings(set_), overwrite)
    rows = []
    for name, value in summary.items():
        if isinstance(value, dict):
            interval = value["interval_95"]
            shown = "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}"
            rows.append([name, f"{value['mean']:.3f}", shown, f"{value['median']:.3f}", f"{value['worst']:.3f}"])
    _show([f"{summary['images']} images", "mean", "95 % interval", "median", "worst"], rows)
    print(f"IoU pooled over all pixels {summary['pooled_iou']:.3f}; by image: {output / 'scores.csv'}")


@app.command()
def predict(
    bundle: Bundle,
    images: Annotated[list[Path], typer.Argument(help="Files, folders or globs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks and summary.csv.")],
    probability: Annotated[bool, typer.Option("--probability", help="Also NAME_probability.tif.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Also NAME_overlay.png.")] = False,
    overwrite: Overwrite = False,
    set_: Set = [],  # noqa: B006
) -> None:
    """Write a mask TIFF (0 and 255, the image's own height and width) for every image.

    An image that cannot be read does not stop the others; the exit code is then 3.

    Example: `livecell predict model cells/test/images --output masks --overlay`
    """
    from livecell_monai.workflow.tasks import predict as run

    asked = {"write_probability": probability, "write_overlay": overlay}
    settings = _settings(set_) | {name: True for name, is_asked in asked.items() if is_asked}
    result = run(bundle, images, output, settings, overwrite)
    if result.rows:
        print(f"{output}: {len(result.rows)} masks and summary.csv")
    for message in result.failures.values():
        print(f"error: {message}", file=sys.stderr)
    if result.failures:
        total = len(result.rows) + len(result.failures)
        print(f"{len(result.failures)} of {total} images could not be read", file=sys.stderr)
        raise typer.Exit(PARTLY)


@app.command()
def compare(
    uri: Annotated[str, typer.Option(help="MLflow store; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")] = "auto",
    experiment: Annotated[str, typer.Option(help="Name of the experiment.")] = "livecell",
    limit: Annotated[int, typer.Option(min=1, help="Number of runs to show.")] = 20,
) -> None:
    """Show the runs that MLflow has noted side by side, best validation IoU first.

    Example: `livecell compare`
    """
    from livecell_monai.experiments.comparison import SCORES, find_differences, list_runs

    runs = list_runs(uri, experiment, limit)
    differing = find_differences(runs)
    rows = [
        [
            run.name,
            run.status,
            *(f"{run.scores[name]:.3f}" if name in run.scores else "" for name in SCORES),
            "" if run.seconds is None else f"{run.seconds:.0f}",
            run.data,
            *(_short(run.settings.get(name, "")) for name in differing),
        ]
        for run in runs
    ]
    _show(["run", "status", "IoU", "accuracy", "loss", "seconds", "data", *differing], rows)
    if any(run.leaks for run in runs):
        print("the scores of split=original are of a split that leaks: not to be compared with the others")
    if len({run.data for run in runs}) > 1:
        print("the runs were trained on different data (column data): their scores are of different images")


def _settings(given: Sequence[str]) -> dict[str, Any]:
    if not given:
        return {}
    from livecell_monai.workflow.opening import parse_setting

    return dict(parse_setting(text) for text in given)


def _short(value: str) -> str:
    """A setting as a table shows it: numbers with four digits."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    # a pipe has no width of its own: nothing is to be cut there
    Console(width=None if sys.stdout.isatty() else 240, soft_wrap=False).print(table)


if __name__ == "__main__":
    main()
