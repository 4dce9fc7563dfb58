"""Commands about runs that MLflow has noted."""

from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import Overwrite, app
from livecell_monai.cli.tables import show_table


@app.command()
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Ids or names of runs, folders with scores.csv, bundles; none: all runs."),
    ] = None,
    metric: Annotated[str, typer.Option(help="Score to rank and to pair by: iou, dice, precision, loss ...")] = "iou",
    csv: Annotated[Path | None, typer.Option(help="Table to write, a row for each run.")] = None,
    html: Annotated[Path | None, typer.Option(help="Page to write, for a browser.")] = None,
    overwrite: Overwrite = False,
    all_: Annotated[bool, typer.Option("--all", help="List folds and trials too, not their number alone.")] = False,
    uri: Annotated[str, typer.Option(help="MLflow store; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")] = "auto",
    experiment: Annotated[str, typer.Option(help="Name of the experiment to list.")] = "livecell",
    limit: Annotated[int, typer.Option(min=1, help="Number of runs to list.")] = 20,
) -> None:
    """Show runs side by side: all that MLflow has noted, or some with their differences to the first one by image.

    Example: `livecell compare scores_a scores_b --html comparison.html`
    """
    from livecell_monai.experiments.comparison import compare_runs, list_runs
    from livecell_monai.report.comparison import build_notes, build_tables, check_output_files, write_comparison

    check_output_files([path for path in (csv, html) if path is not None], overwrite)
    found = compare_runs(runs, uri, metric) if runs else list_runs(uri, experiment, limit, metric, all_)
    write_comparison(found, csv, html)
    for table in build_tables(found):
        if table.title:
            print(f"{table.title}\n")
        show_table(table.header, table.rows)
        if table.title:
            print()
    for line in build_notes(found):
        print(line)
    for line in found.warnings:
        print(f"WARNING: {line}")
    for path in (csv, html):
        if path is not None:
            print(f"written: {path}")


@app.command()
def sync(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders that `train` or a study has been given as --output.")
    ],
    uri: Annotated[
        str | None, typer.Option(help="MLflow store, where it has moved since; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")
    ] = None,
) -> None:
    """Send to MLflow what it lacks of trainings: it did not answer at the time, or the training was killed.

    Nothing is lost or noted twice, however often it is called. The run of a training that was killed ends as KILLED.

    Example: `livecell sync model`
    """
    from livecell_monai.experiments.syncing import sync as run

    for folder in runs:
        is_left = False
        for done in run(folder, uri):
            is_left = True
            print(f"{done.folder}: {done.sent} entries sent to {done.uri}, run {done.run_id}")
        if not is_left:
            print(f"{folder}: nothing is left to be sent")
