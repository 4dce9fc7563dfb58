"""Commands about runs that MLflow has noted."""

from typing import Annotated

import typer

from livecell_monai.cli.app import app
from livecell_monai.cli.tables import shorten, show_table


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
            *(shorten(run.settings.get(name, "")) for name in differing),
        ]
        for run in runs
    ]
    show_table(["run", "status", "IoU", "accuracy", "loss", "seconds", "data", *differing], rows)
    if any(run.leaks for run in runs):
        print("split original and none score what was trained on: not to be compared with the others")
    if len({run.data for run in runs}) > 1:
        print("the runs were trained on different data (column data): their scores are of different images")
