"""The command itself: its options, what commands share, and how an error is told."""

import atexit
import signal
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from livecell_monai import __version__
from livecell_monai.errors import SettingError, find_user_error
from livecell_monai.heap import keep_freed_memory

STARTED = time.monotonic()  # a budget of minutes holds what is still to be imported
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Segment live cells: three annotated images in, full-resolution masks out.",
)
Data = Annotated[Path, typer.Argument(help="Data folder (train/images, train/labels, test/images ...) or datalist JSON.")]
Bundle = Annotated[
    str, typer.Argument(help="Bundle folder that `livecell train` left, run, or registered model: models:/NAME/VERSION.")
]
Set = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Any setting, see `livecell settings`; repeatable.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over the results of an earlier run.")]


def main() -> None:
    """Run the command line; what the user can mend becomes one line and exit code 2."""
    # what was asked is done by then: Ctrl-C while Python puts itself away would end it as if it were not
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
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


def check_arguments(given: Mapping[str, Any], needed: Sequence[str], goes_on: bool) -> None:
    """Refuse what must be left out where a training is gone on with, and what is missing where one is begun.

    Args:
        given: arguments by the name that the help gives them.
        needed: names of those that a new training needs.
        goes_on: whether a training is gone on with, as `--resume RUN` does.

    Raises:
        SettingError: the first that is one too many or one too few.
    """
    for name, value in given.items():
        if goes_on and value not in (None, []):
            raise SettingError(f"{name} must be left out with --resume RUN, which knows what it was begun with, got {value}")
        if not goes_on and name in needed and value is None:
            raise SettingError(f"{name} must be given, unless --resume names the folder of a training that was stopped")


def read_settings(given: Sequence[str], **shorts: Any) -> dict[str, Any]:
    """Settings by name: those of --set, and over them the options that are short for one, where they are given."""
    asked = {name: value for name, value in shorts.items() if value is not None}
    if not given:
        return asked
    from livecell_monai.bundle.plain_yaml import parse_setting

    return dict(parse_setting(text) for text in given) | asked
