"""A comparison of runs: as tables for the terminal and the page, as an HTML page, and as rows of a CSV file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from livecell_monai import __version__
from livecell_monai.errors import SettingError
from livecell_monai.experiments.compared_run import VALIDATED, ComparedRun
from livecell_monai.experiments.comparison import LOGGED_BY_TRAININGS, Comparison
from livecell_monai.metrics import PairedDifference, label_of
from livecell_monai.report.templates import render
from livecell_monai.runs.atomic import atomic_path, check_overwrite, write_table

INTERVAL = "95 % interval"
AP50 = "ap50"  # the score of cells that stands beside those of pixels
DIFFERENCE = ("difference", "difference_low", "difference_high", "difference_images", "better", "worse", "equal")


DIFFERS = ["images", "mean difference", INTERVAL, "better", "worse", "equal"]  # columns of a table of differences


class Table(NamedTuple):
    """A table as text; the title may be empty."""

    title: str
    header: list[str]
    rows: list[list[str]]


def check_output_files(paths: Sequence[Path], overwrite: bool) -> None:
    """Check, before any work is done, that all files are new, have a folder and differ; else a SettingError."""
    for index, path in enumerate(paths):
        check_overwrite(path, overwrite)
        if path.resolve() in {other.resolve() for other in paths[:index]}:
            raise SettingError(f"{path}: --csv and --html must be two files, they are one; name another")


def write_comparison(comparison: Comparison, csv: Path | None = None, html: Path | None = None) -> None:
    """Write a table with one row for each run, and the page, where a path is given; a DataError if it cannot be written."""
    if csv is not None:
        write_table(csv, build_rows(comparison))
    if html is not None:
        with atomic_path(html) as temporary:
            temporary.write_text(render_page(comparison), encoding="utf-8")


def render_page(comparison: Comparison) -> str:
    """The page: the tables of the terminal, every name in them shown as text, whatever markup it holds."""
    tables, notes = build_tables(comparison), build_notes(comparison)
    return render("comparison.html.j2", comparison=comparison, tables=tables, notes=notes, version=__version__)


def build_tables(comparison: Comparison) -> list[Table]:
    """The tables of a comparison: of a list of runs one row each, else one column each and their differences."""
    if comparison.first is None:
        return [_list_runs(comparison)]
    tables = [_show_scores(comparison)]
    if len(comparison.runs) > 1:
        tables.append(_show_differences(comparison, comparison.first))
    if comparison.cells:
        tables.append(_show_cells(comparison))
    if any(found for score in comparison.cells for found in score.differences):
        tables.append(_show_cell_differences(comparison, comparison.first))
    if comparison.differing:
        rows = [_list_settings(comparison.runs, name) for name in comparison.differing]
        tables.append(Table("Settings that differ", ["setting", *(run.name for run in comparison.runs)], rows))
    return tables


def build_notes(comparison: Comparison) -> list[str]:
    """Explanations of the tables, a line each."""
    if comparison.first is None:
        hidden = comparison.hidden
        return [f"{hidden} studies, folds, parts and trials are not listed: add --all"] if hidden else []
    notes = []
    are_trainings = [LOGGED_BY_TRAININGS in run.settings for run in comparison.runs if run.settings]
    # a cross-validation records only the settings that it was given, so that none of them differs from a training's
    if len(are_trainings) > 1 and len(set(are_trainings)) == 1 and not comparison.differing:
        notes.append("the settings are the same")
    if any(interval is not None for interval in comparison.intervals):
        notes.append(
            "intervals are over images (bootstrap): they do not cover how another training with these settings differs"
        )
    return notes


def build_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row for each run, for a CSV file; unknown values are empty."""
    rows: list[dict[str, Any]] = []
    for run, interval, difference in zip(comparison.runs, comparison.intervals, comparison.differences, strict=True):
        low, high = interval or ("", "")
        row: dict[str, Any] = {"run": run.name, "id": run.id, "kind": run.kind, "status": run.status}
        row |= {"nested_runs": run.nested}
        row |= {"metric": comparison.metric, "score": run.score(comparison.metric)}
        row |= {"score_low": low, "score_high": high, "images": len(run.images) if run.images else ""}
        row |= {f"validation_{name}": _validated(run).get(name, "") for name in VALIDATED}
        row |= _list_cells(comparison, len(rows))
        row |= {"seconds": run.seconds, "data_sha256": run.data, "scored_on": run.scored_on, "leaks": run.leaks}
        if comparison.first is not None:
            row |= {"reference": comparison.first.name, **_list_difference(difference)}
        rows.append(row | {f"setting_{name}": run.settings.get(name, "") for name in comparison.differing})
    return rows


def shorten(value: str) -> str:
    """A setting as a table shows it: numbers with four digits."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _list_difference(found: PairedDifference | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(DIFFERENCE, "")
    interval = found.interval_95 or ("", "")
    return dict(zip(DIFFERENCE, (found.mean, *interval, found.images, found.better, found.worse, found.equal), strict=True))


def _list_cells(comparison: Comparison, place: int) -> dict[str, Any]:
    """The scores of cells of a run, of which each has its columns."""
    row: dict[str, Any] = {}
    for score in comparison.cells:
        low, high = score.intervals[place] or ("", "")
        mean = score.means[place]
        row |= {score.metric: "" if mean is None else mean, f"{score.metric}_low": low, f"{score.metric}_high": high}
        row |= {f"{score.metric}_{name}": value for name, value in _list_difference(score.differences[place]).items()}
    return row


def _list_runs(comparison: Comparison) -> Table:
    runs = comparison.runs
    of_cells = (AP50,) if any(run.score(AP50) is not None for run in runs) else ()
    scores = list(dict.fromkeys((*VALIDATED, *of_cells, comparison.metric)))
    columns = [["run", *(run.name for run in runs)], ["kind", *(run.kind for run in runs)]]
    columns.append(["status", *(run.status for run in runs)])
    columns += [[label_of(name), *(_number(run.score(name)) for run in runs)] for name in scores]
    columns += [["seconds", *(_number(run.seconds, 0) for run in runs)], ["data", *(run.data[:8] for run in runs)]]
    if any(run.nested for run in runs):
        columns.append(["nested", *(str(run.nested or "") for run in runs)])
    columns += [_list_settings(runs, name) for name in comparison.differing]
    header, *rows = (list(row) for row in zip(*columns, strict=True))
    return Table("", header, rows)


def _show_scores(comparison: Comparison) -> Table:
    runs, metric = comparison.runs, comparison.metric
    lines = {
        "kind": [run.kind for run in runs],
        "status": [run.status or "folder" for run in runs],
        "id": [run.id[:8] for run in runs],
        "seconds": [_number(run.seconds, 0) for run in runs],
        "trained on data": [run.data[:8] or "unknown" for run in runs],
        "scored on": [(run.scored_on or "unknown") + (" (leaks)" if run.leaks else "") for run in runs],
    }
    if any(run.images for run in runs):
        means = [run.score(metric) if run.score_images(metric) else None for run in runs]
        lines[f"{label_of(metric)} by image, mean"] = [_number(mean) for mean in means]
        lines[INTERVAL] = [_interval(found) for found in comparison.intervals]
        lines["images"] = [str(len(run.images)) if run.images else "" for run in runs]
    for name in dict.fromkeys((*VALIDATED, AP50, metric)):
        lines[f"{label_of(name)}, validation"] = [_number(_validated(run).get(name)) for run in runs]
        lines[f"{label_of(name)}, cross-validation"] = [_number(run.crossval.get(name)) for run in runs]
    rows = [[title, *cells] for title, cells in lines.items() if any(cells)]
    return Table(f"Runs, best {label_of(metric)} first", ["", *(run.name for run in runs)], rows)


def _validated(run: ComparedRun) -> Mapping[str, float]:
    """The validation of the bundle; of a run without one, that after its last epoch."""
    return run.kept or run.last


def _show_differences(comparison: Comparison, first: ComparedRun) -> Table:
    pairs = zip(comparison.runs, comparison.differences, strict=True)
    rows = [[run.name, *_show_difference(found)] for run, found in pairs if run is not first]
    return Table(f"{label_of(comparison.metric)} minus that of {first.name}, on the same images", ["run", *DIFFERS], rows)


def _show_difference(found: PairedDifference | None) -> list[str]:
    if found is None:
        return ["", "none", "", "", "", ""]
    counts = [str(count) for count in (found.better, found.worse, found.equal)]
    return [str(found.images), f"{found.mean:+.3f}", _interval(found.interval_95, "+"), *counts]


def _show_cells(comparison: Comparison) -> Table:
    rows = []
    for score in comparison.cells:
        intervals = [f" ({_interval(ends)})" if ends else "" for ends in score.intervals]
        means = zip(score.means, intervals, strict=True)
        rows.append([label_of(score.metric), *(_number(mean) + interval for mean, interval in means)])
    return Table(f"Scores of cells: mean over images ({INTERVAL})", ["", *(run.name for run in comparison.runs)], rows)


def _show_cell_differences(comparison: Comparison, first: ComparedRun) -> Table:
    rows = []
    for score in comparison.cells:
        pairs = zip(comparison.runs, score.differences, strict=True)
        rows += [[label_of(score.metric), run.name, *_show_difference(found)] for run, found in pairs if found]
    title = f"Scores of cells minus those of {first.name}, on the same images"
    return Table(title, ["score", "run", *DIFFERS], rows)


def _list_settings(runs: Iterable[ComparedRun], name: str) -> list[str]:
    return [name, *(shorten(run.settings.get(name, "")) for run in runs)]


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _interval(ends: tuple[float, float] | None, sign: str = "") -> str:
    return "" if ends is None else f"{ends[0]:{sign}.3f} .. {ends[1]:{sign}.3f}"
