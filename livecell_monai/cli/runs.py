"""Commands about finished runs: compare, report, register, sync."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import Diameter, Overwrite, Uri, app, opened_data, read_settings
from livecell_monai.cli.tables import show_table
from livecell_monai.errors import SettingError


@app.command()
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", help="Ids or names of runs, folders with scores.csv, bundles; none: all trainings."
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="Score to rank and compare by: iou, dice, precision, loss ...")] = "iou",
    csv: Annotated[Path | None, typer.Option(help="Table to write, a row for each run.")] = None,
    html: Annotated[Path | None, typer.Option(help="Page to write, for a browser.")] = None,
    overwrite: Overwrite = False,
    all_: Annotated[
        bool, typer.Option("--all", help="List studies and their folds, parts and trials too, not only trainings.")
    ] = False,
    uri: Uri = "auto",
    experiment: Annotated[str, typer.Option(help="Name of the experiment to list.")] = "livecell",
    limit: Annotated[int, typer.Option(min=1, help="Number of runs to list.")] = 20,
) -> None:
    """Show runs side by side: all trainings in MLflow, or the given ones with their differences to the first one by image.

    Example: `livecell compare scores_a scores_b --html comparison.html`
    """
    from livecell_monai.experiments.comparison import compare_runs, list_runs
    from livecell_monai.report.comparison import build_notes, build_tables, check_output_files, write_comparison

    files = [path for path in (csv, html) if path is not None]
    check_output_files(files, overwrite)
    found = compare_runs(runs, uri, metric) if runs else list_runs(uri, experiment, limit, metric, all_)
    write_comparison(found, csv, html)
    for table in build_tables(found):
        if table.title:
            print(f"{table.title}\n")
        show_table(table.header, table.rows)
        if table.title:
            print()
    notes = [*build_notes(found), *(f"WARNING: {line}" for line in found.warnings)]
    for line in [*notes, *(f"written: {path}" for path in files)]:
        print(line)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Bundle folder from `livecell train`, or id or name of its MLflow run.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder or datalist: its images are predicted, shown and, if labelled, scored.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    diameter: Diameter = None,
    overwrite: Overwrite = False,
    uri: Uri = "auto",
) -> None:
    """Write one self-contained HTML page about a trained bundle: scores, overlays, curves, settings, limits.

    Example: `livecell report model --data cells --output report.html`
    """
    from livecell_monai.experiments.locate import located
    from livecell_monai.prediction.zero_shot import check_diameter
    from livecell_monai.report.bundle_page import check_output, write_bundle_page

    check_output(output, overwrite)
    settings = read_settings([], cell_diameter=diameter)
    if data is None and diameter is not None:
        raise SettingError(f"--diameter needs images whose cells are {diameter:g} px across; give --data too")
    with ExitStack() as opened:
        folder = None if data is None else opened.enter_context(opened_data(data))
        bundle = opened.enter_context(located(run, uri))
        check_diameter(bundle, diameter)
        write_bundle_page(bundle, output, folder, settings)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, opens in any browser without a network")


@app.command()
def register(
    run: Annotated[str, typer.Argument(help="Bundle folder, or the id or name of a finished run.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model; an existing model gets a new version.")],
    uri: Uri = "auto",
) -> None:
    """Add a trained bundle to the MLflow model registry, as a model that `mlflow models serve` can serve.

    Example: `livecell register model --name cells`
    """
    from livecell_monai.experiments.registry import register as run_register

    made = run_register(run, name, uri)
    model = f"models:/{made.name}/{made.version}"
    print(model + ("" if made.run is None else f", of run {made.run}"))
    print(f"next: livecell predict {model} IMAGES --output MASKS")
    print(f"      mlflow models serve -m {model} --env-manager local --port 5001")


@app.command()
def sync(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Output folders of `train` or of a study.")],
    uri: Annotated[
        str | None, typer.Option(help="MLflow store if it has moved; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")
    ] = None,
) -> None:
    """Send MLflow the records that it lacks, because it did not answer or the training was killed.

    It may be called again at any time: nothing is lost or recorded twice. The run of a killed training ends as KILLED.

    Example: `livecell sync model`
    """
    from livecell_monai.experiments.syncing import sync as run

    for folder in runs:
        is_complete = True
        for done in run(folder, uri):
            is_complete = False
            print(f"{done.folder}: {done.sent} entries sent to {done.uri}, run {done.run_id}")
        if is_complete:
            print(f"{folder}: nothing is left to be sent")
