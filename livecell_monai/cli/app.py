"""The command itself, the options that commands share, and the printing of errors."""

import atexit
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from livecell_monai import __version__
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.heap import collect_garbage_rarely, keep_freed_memory
from livecell_monai.surroundings import complete_streams

if TYPE_CHECKING:
    from livecell_monai.exchange.beside import PreparedData

STARTED = time.monotonic()  # the time for a training includes the imports
INTERRUPTED = 130


class HintingGroup(TyperGroup):
    """The commands; an unknown option that has the name of a setting is an error that says how to set it."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            option = str(getattr(error, "option_name", ""))
            name = option.lstrip("-").replace("-", "_")
            if not name or not option.startswith("--"):
                raise
            from livecell_monai.settings import SETTINGS

            if name not in SETTINGS:
                raise
            raise SettingError(f"{option} is no option of this command but a setting; give --set {name}=VALUE") from error


app = typer.Typer(
    cls=HintingGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Segment live cells: three annotated images in, full-resolution masks out.",
)
Data = Annotated[
    Path,
    typer.Argument(help="Data folder (train/images, train/labels ...), images with annotations beside, or datalist JSON."),
]
Bundle = Annotated[str, typer.Argument(help="Bundle folder, MLflow run, models:/NAME/VERSION, or start: the shipped one.")]
Model = Annotated[
    str,
    typer.Argument(
        help="Bundle folder, MLflow run, models:/NAME/VERSION, start: the shipped one; or a bioimage.io or ONNX model."
    ),
]
Images = Annotated[list[Path], typer.Argument(help="Files, folders or globs.")]
Axes = Annotated[str | None, typer.Option(help="Axes of the files in order, such as TYX; overrides those in the files.")]
Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Any of `livecell settings`; repeatable.")]
Config = Annotated[list[str], typer.Option(help="Overlay: smoke, or a YAML file such as a plan; repeatable.")]
Seed = Annotated[int | None, typer.Option(help="Short for --set seed=N.")]
UnlabelledValue = Annotated[
    int | None,
    typer.Option(metavar="N", help="Value of label files where the image is not annotated, beside -1."),
]
Export = Annotated[
    str | None,
    typer.Option(metavar="FORMATS", help="Add the cells for other programs: roi, geojson, coco, ctc, omezarr, omezarr-0.4."),
]
Diameter = Annotated[
    float | None,
    typer.Option(metavar="PX", help="Size of the cells, for the bundle start only; else it is estimated."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier run.")]
Uri = Annotated[str, typer.Option(help="MLflow store; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")]


def main() -> None:
    """Run the command line; an error that the user can correct becomes one line and exit code 2."""
    # the work is done by then: Ctrl-C during the shutdown of Python must not change the exit code
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    collect_garbage_rarely()
    complete_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # a full disk is reported here, not while Python ends
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's exit code for Ctrl-C, without a message
            print("interrupted", file=sys.stderr)
        raise
    except Exception as error:
        known = find_user_error(error)
        if known is None:
            raise
        print(f"error: {known}", file=sys.stderr)
        sys.exit(2)


def read_settings(given: Sequence[str], **options: Any) -> dict[str, Any]:
    """Settings by name from --set; options that are short for a setting override them unless they are None."""
    chosen = {name: value for name, value in options.items() if value is not None}
    if chosen.get("minutes") == 0:  # the setting 0 means something else: no limit
        raise SettingError("--minutes must be above 0, got 0; leave it out to train the epochs of the setting `epochs`")
    if not given:
        return chosen
    from livecell_monai.bundle.plain_yaml import parse_setting

    return dict(parse_setting(text) for text in given) | chosen


def list_formats(export: str | None) -> tuple[str, ...]:
    """The formats of --export, each once; a SettingError for one that is unknown."""
    if export is None:
        return ()
    from livecell_monai.exchange.registry import find_writers

    return tuple(form.name for form in find_writers([name.strip() for name in export.split(",")], "--export"))


def print_problems(problems: Sequence[str]) -> None:
    """Print errors to stderr; if there are any, exit with code 2."""
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(2)


def print_note(line: str) -> None:
    """Print a line about the work that begins to stderr."""
    print(f"note: {line}", file=sys.stderr, flush=True)


@contextmanager
def opened_data(data: Path, output: Path | None = None, role: str = "train") -> Iterator[Path]:
    """A data folder or datalist during the block, see `announced_data`."""
    with announced_data(data, output, role) as prepared:
        yield prepared.path


@contextmanager
def announced_data(data: Path, output: Path | None = None, role: str = "train") -> Iterator["PreparedData"]:
    """A data folder or datalist during the block, see `prepared_data`; what was made of it or skipped goes to stderr."""
    from livecell_monai.data.dataset.folder import list_folders
    from livecell_monai.exchange.beside import prepared_data

    with prepared_data(data, output, role) as prepared:
        for line in prepared.lines:
            print_note(line)
        print_skipped(list_folders(prepared.path), with_empty=True)
        yield prepared


def print_skipped(inputs: Sequence[Path], with_empty: bool = False) -> None:
    """Print the files of folders that are no images to stderr, before the work begins."""
    from livecell_monai.data.paths import describe_skipped

    for line in describe_skipped(inputs, with_empty):
        print_note(line)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"livecell-monai {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")]


@app.callback()
def _options(version: Version = False) -> None:
    """Options before a command."""
