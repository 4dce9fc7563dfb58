"""The command that makes a page of a trained bundle."""

from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import Overwrite, app


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Bundle folder that `livecell train` left, or id or name of its MLflow run.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder or datalist: its images are judged, drawn and, where labelled, scored.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    overwrite: Overwrite = False,
    uri: Annotated[str, typer.Option(help="MLflow store; auto is $MLFLOW_TRACKING_URI or ./mlflow.db.")] = "auto",
) -> None:
    """Write one self-contained HTML page about a trained bundle: scores, overlays, curves, settings, limits.

    Example: `livecell report model --data cells --output report.html`
    """
    import tempfile

    from livecell_monai.experiments.locate import locate_bundle
    from livecell_monai.report.bundle_page import check_output, write_bundle_page

    check_output(output, overwrite)
    with tempfile.TemporaryDirectory() as folder:
        write_bundle_page(locate_bundle(run, Path(folder), uri), output, data)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, opens in any browser without a network")
