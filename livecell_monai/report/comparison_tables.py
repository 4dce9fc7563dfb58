"""A comparison in words and numbers: the tables of the terminal and of the page, and the rows of the CSV file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from livecell_monai.experiments.compared_run import VALIDATED, ComparedRun
from livecell_monai.experiments.comparison import LOGGED_BY_TRAININGS, Comparison
from livecell_monai.metrics import label_of

INTERVAL = "95 % interval"


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        title: what stands over it; empty for nothing.
        header: one entry a column.
        rows: as wide as the header.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def build_tables(comparison: Comparison) -> list[Table]:
    """What a comparison shows: a row for each run of a list, else a column for each run and what lies between them."""
    if comparison.first is None:
        return [_list_runs(comparison)]
    tables = [_show_scores(comparison)]
    if len(comparison.runs) > 1:
        tables.append(_show_differences(comparison))
    if comparison.differing:
        tables.append(_show_settings(comparison))
    return tables


def build_notes(comparison: Comparison) -> list[str]:
    """What has to be known to read the tables, a line each."""
    if comparison.first is None:
        return []
    notes = []
    told = [LOGGED_BY_TRAININGS in run.settings for run in comparison.runs if run.settings]
    # a cross-validation notes what it was given alone: nothing that differs is found then, which is not the same
    if len(told) > 1 and len(set(told)) == 1 and not comparison.differing:
        notes.append("the settings are the same")
    if any(run.best for run in comparison.runs):
        notes.append("kept: the weights that the bundle holds; best: the best epoch of each metric by itself, not to report")
    if any(interval is not None for interval in comparison.intervals):
        notes.append(
            "intervals are over images (bootstrap): how another training of the same settings differs is not in them"
        )
    return notes


def build_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row for each run, for a CSV file: what is not known is left empty."""
    rows = []
    for run, interval, difference in zip(comparison.runs, comparison.intervals, comparison.differences, strict=True):
        low, high = interval or ("", "")
        row: dict[str, Any] = {"run": run.name, "id": run.id, "status": run.status, "nested_runs": run.nested}
        row |= {"metric": comparison.metric, "score": run.score(comparison.metric)}
        row |= {"score_low": low, "score_high": high, "images": len(run.images) if run.images else ""}
        for kind, noted in (("kept", run.kept), ("last", run.last), ("best", run.best)):
            row |= {f"{kind}_val_{name}": noted.get(name, "") for name in VALIDATED}
        row |= {"seconds": run.seconds, "data_sha256": run.data, "scored_on": run.scored_on, "leaks": run.leaks}
        if comparison.first is not None:
            row |= {"reference": comparison.first.name, "difference": "", "difference_low": "", "difference_high": ""}
            row |= dict.fromkeys(("difference_images", "better", "worse", "equal"), "")
        if difference is not None:
            low, high = difference.interval_95 or ("", "")
            row |= {"difference": difference.mean, "difference_low": low, "difference_high": high}
            row |= {"difference_images": difference.images, "better": difference.better}
            row |= {"worse": difference.worse, "equal": difference.equal}
        rows.append({**row, **{f"setting_{name}": run.settings.get(name, "") for name in comparison.differing}})
    return rows


def shorten(value: str) -> str:
    """A setting as a table shows it: numbers with four digits."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _list_runs(comparison: Comparison) -> Table:
    other = [] if comparison.metric in VALIDATED else [comparison.metric]
    nested = any(run.nested for run in comparison.runs)
    header = ["run", "status", *map(label_of, (*VALIDATED, *other)), "seconds", "data"]
    rows = [
        [
            run.name,
            run.status,
            *(_number(run.score(name)) for name in (*VALIDATED, *other)),
            _seconds(run),
            run.data[:8],
            *([str(run.nested or "")] if nested else []),
            *(shorten(run.settings.get(name, "")) for name in comparison.differing),
        ]
        for run in comparison.runs
    ]
    return Table("", [*header, *(["nested"] if nested else []), *comparison.differing], rows)


def _show_scores(comparison: Comparison) -> Table:
    runs, metric = comparison.runs, comparison.metric
    lines = [
        ["status", *(run.status or "folder" for run in runs)],
        ["id", *(run.id[:8] for run in runs)],
        ["seconds", *(_seconds(run) for run in runs)],
        ["trained on data", *(run.data[:8] or "unknown" for run in runs)],
        ["scored on", *((run.scored_on or "unknown") + (" (leaks)" if run.leaks else "") for run in runs)],
    ]
    if any(run.images for run in runs):
        lines.append([f"{label_of(metric)} by image, mean", *(_number(_mean(run, metric)) for run in runs)])
        lines.append([INTERVAL, *(_interval(found) for found in comparison.intervals)])
        lines.append(["images", *(str(len(run.images)) if run.images else "" for run in runs)])
    for name in dict.fromkeys((*VALIDATED, metric)):
        kinds = (("kept", "kept"), ("last epoch", "last"), ("best epoch", "best"), ("cross-validation", "crossval"))
        for title, kind in kinds:
            values = [_number(getattr(run, kind).get(name)) for run in runs]
            if any(values):
                lines.append([f"{label_of(name)}, {title}", *values])
    rows = [line for line in lines if any(line[1:])]
    return Table(f"Runs, best {label_of(metric)} first", ["", *(run.name for run in runs)], rows)


def _show_differences(comparison: Comparison) -> Table:
    name = "" if comparison.first is None else comparison.first.name
    rows = []
    for run, found in zip(comparison.runs, comparison.differences, strict=True):
        if run is comparison.first:
            continue
        if found is None:
            rows.append([run.name, "", "none", "", "", "", ""])
            continue
        counts = [str(count) for count in (found.better, found.worse, found.equal)]
        rows.append([run.name, str(found.images), f"{found.mean:+.3f}", _interval(found.interval_95, "+"), *counts])
    header = ["run", "images", "mean difference", INTERVAL, "better", "worse", "equal"]
    return Table(f"{label_of(comparison.metric)} less that of {name}, on the same images", header, rows)


def _show_settings(comparison: Comparison) -> Table:
    rows = [[name, *(shorten(run.settings.get(name, "")) for run in comparison.runs)] for name in comparison.differing]
    return Table("Settings that differ", ["setting", *(run.name for run in comparison.runs)], rows)


def _mean(run: ComparedRun, metric: str) -> float | None:
    return run.score(metric) if run.score_images(metric) else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(ends: tuple[float, float] | None, sign: str = "") -> str:
    return "" if ends is None else f"{ends[0]:{sign}.3f} .. {ends[1]:{sign}.3f}"


def _seconds(run: ComparedRun) -> str:
    return "" if run.seconds is None else f"{run.seconds:.0f}"
