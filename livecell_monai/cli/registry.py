"""Commands about models that others are to use."""

from typing import Annotated

import typer

from livecell_monai.cli.app import app


@app.command()
def register(
    run: Annotated[str, typer.Argument(help="Bundle folder, or the id or name of a finished run.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model; a new version of it where there is one.")],
    uri: Annotated[str, typer.Option(help="MLflow store; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")] = "auto",
) -> None:
    """Put a trained bundle into the MLflow model registry, as a model that `mlflow models serve` can serve.

    Example: `livecell register model --name cells`
    """
    from livecell_monai.experiments.registry import register as run_register

    made = run_register(run, name, uri)
    print(f"models:/{made.name}/{made.version}" + ("" if made.run is None else f", of run {made.run}"))
    print(f"next: livecell predict models:/{made.name}/{made.version} IMAGES --output MASKS")
    print(f"      mlflow models serve -m models:/{made.name}/{made.version} --env-manager local --port 5001")
