"""The command that searches for settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from livecell_monai.cli.app import Data, Set, app, read_settings
from livecell_monai.cli.tables import show_table


@app.command()
def sweep(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the trials; goes on where it was stopped.")],
    trials: Annotated[int, typer.Option(help="Number of trials in the whole study, finished ones among them.")] = 12,
    minutes: Annotated[float | None, typer.Option(help="Time for each trial; makes wide networks pay for theirs.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each trial.")] = None,
    space: Annotated[
        Path | None, typer.Option(help="YAML file of the search space; configs/sweep.yaml of the bundle by default.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="URL of a database that several machines share; SQLite in the folder by default.")
    ] = None,
    study: Annotated[str, typer.Option(help="Name of the study in the storage.")] = "livecell",
    recipe: Annotated[str, typer.Option(help="As for train.")] = "planned",
    config: Annotated[list[str], typer.Option(help="As for train; repeatable.")] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Search for better settings: train trials, prune those that lag behind, keep the best bundle.

    What --set fixes is taken out of the search space.

    Example: `livecell sweep cells --output sweep --minutes 2`
    """
    from livecell_monai.experiments.search_space import read_space
    from livecell_monai.experiments.sweep import sweep as run
    from livecell_monai.experiments.trials import SweepRequest
    from livecell_monai.report.comparison import shorten

    settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
    searched = read_space(space, settings)
    request = SweepRequest(data, searched, config, settings, recipe, trials)
    result = run(request, output, storage, study, _tell, _tell_waiting)
    columns = ["trial", "state", "val_iou", "seconds", *searched.entries]
    rows = [[shorten(str(row.get(name, ""))) for name in columns] for row in result.rows]
    show_table(["trial", "state", "IoU", "seconds", *searched.entries], rows)
    complete = sum(row["state"] == "complete" for row in result.rows)
    if result.importance:
        show_table(["setting", "importance"], [[name, f"{share:.2f}"] for name, share in result.importance.items()])
        print(f"importance: share in what makes the {complete} complete trials differ; from so few a hint, no measurement")
    else:
        print("importance: the complete trials are too few or too much alike to tell")
    if searched.fixed:
        print(f"fixed by --set, not searched: {', '.join(searched.fixed)}")
    best = result.rows[0]
    where = result.best or f"{best['bundle']} (not on this machine)"
    print(f"best of {len(result.rows)}: trial {best['trial']}, validation IoU {best['val_iou']:.3f}, which it was chosen by")
    print(f"bundle: {where}, table: {output / 'sweep.csv'}")


def _tell(row: Mapping[str, Any]) -> None:
    score = "" if row["val_iou"] is None else f", validation IoU {row['val_iou']:.3f}"
    print(f"trial {row['trial']}: {row['state']}{score}, {row['seconds']:.0f} s", flush=True)


def _tell_waiting(trials: int) -> None:
    from livecell_monai.experiments.study import GRACE_S

    print(f"waiting for {trials} begun elsewhere; what gives no sign of life for {GRACE_S} s is trained again", flush=True)
