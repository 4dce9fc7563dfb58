"""A comparison as one HTML page that needs nothing else, and as a table for other programs."""

from collections.abc import Sequence
from pathlib import Path

from livecell_monai import __version__
from livecell_monai.errors import SettingError
from livecell_monai.experiments.comparison import Comparison
from livecell_monai.report.comparison_tables import build_notes, build_rows, build_tables
from livecell_monai.report.templates import render
from livecell_monai.runs.atomic import atomic_path, check_overwrite, write_table


def check_output_folder(paths: Sequence[Path], overwrite: bool) -> None:
    """Refuse files that cannot be written without loss, before any work is done.

    Args:
        paths: the files.
        overwrite: whether files of an earlier call may be written over.

    Raises:
        SettingError: the first one that cannot.
    """
    for index, path in enumerate(paths):
        check_overwrite(path, overwrite)
        if path.resolve() in {other.resolve() for other in paths[:index]}:
            raise SettingError(f"{path}: --csv and --html must be two files, they are one; name another")


def write_comparison(comparison: Comparison, csv: Path | None = None, html: Path | None = None) -> None:
    """Write what is asked for.

    Args:
        comparison: what is shown.
        csv: table with one row for each run; None for none.
        html: the page; None for none.

    Raises:
        DataError: where a file cannot be written.
    """
    page = None if html is None else render_page(comparison)
    if csv is not None:
        write_table(csv, build_rows(comparison))
    if html is not None and page is not None:
        with atomic_path(html) as temporary:
            temporary.write_text(page, encoding="utf-8")


def render_page(comparison: Comparison) -> str:
    """The page: the tables of the terminal, every name in them shown as text, whatever markup it holds."""
    return render(
        "comparison.html.j2",
        title="Runs of livecell" if comparison.first is None else f"{len(comparison.runs)} runs of livecell side by side",
        warnings=comparison.warnings,
        tables=build_tables(comparison),
        notes=build_notes(comparison),
        version=__version__,
    )
