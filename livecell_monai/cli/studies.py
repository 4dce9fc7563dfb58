"""Commands that train more than once to learn something about the data or the settings."""

from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import Data, Set, app, read_settings
from livecell_monai.cli.tables import show_summary, show_table

FEW = 10  # images or groups, below which a bootstrap's 95 % interval holds the mean less often than 9 times in 10


@app.command()
def crossval(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the folds; goes on where it was stopped.")],
    minutes: Annotated[float | None, typer.Option(help="Time for each fold.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each fold.")] = None,
    folds: Annotated[int, typer.Option(help="0: one by image below seven images, else 5.")] = 0,
    group_pattern: Annotated[
        str | None, typer.Option(help="Regular expression that gives an image's group (a dish, a day) from its name.")
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Also a bundle that averages the folds' probabilities.")
    ] = False,
    refit: Annotated[bool, typer.Option("--refit", help="Also a bundle of everything, as long as the folds say.")] = False,
    recipe: Annotated[str, typer.Option(help="As for train.")] = "planned",
    config: Annotated[list[str], typer.Option(help="As for train; repeatable.")] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Score every annotated image by a network that has not seen it, one training for each fold.

    Example: `livecell crossval cells --output folds --minutes 10`
    """
    from livecell_monai.data.dataset.folds import FoldOptions
    from livecell_monai.experiments.crossval import CrossValidation, cross_validate
    from livecell_monai.metrics import list_metrics
    from livecell_monai.report.card import render_study

    def describe(kind: str, found: CrossValidation) -> str:
        return render_study(kind, found.data, found.summary)

    settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
    bundles = [name for name, is_wanted in (("ensemble", ensemble), ("refit", refit)) if is_wanted]
    result = cross_validate(data, output, config, settings, recipe, FoldOptions(folds, group_pattern), describe, bundles)
    shown = [metric for metric in list_metrics() if metric.name in result.summary]
    rows = [[row["fold"], row["image"], *(f"{float(row[metric.name]):.3f}" for metric in shown)] for row in result.rows]
    show_table(["fold", "image", *(metric.label for metric in shown)], rows)
    show_summary(result.summary)
    found = result.summary
    cells = "cells not counted" if found["cells"] is None else f"{found['cells']} cells"
    print(f"each image by a network that has not seen it: {found['images']} images, {cells}")
    if found["groups"] < FEW:
        print(f"the intervals are too narrow: they rest on {found['groups']} images or groups (at 3 they hold 3 times in 4)")
    print(f"worst: {found['worst_image']}; by image: {output / 'scores.csv'}; bundles: {output}/fold_*")
    for kind, bundle in result.bundles.items():
        print(f"{kind}: {bundle}")


@app.command("learning-curve")
def learning_curve(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the parts; goes on where it was stopped.")],
    by: Annotated[str, typer.Option(help="images, area (of each), or auto: area below seven images.")] = "auto",
    draws: Annotated[int, typer.Option(help="How often each amount is drawn anew for each fold.")] = 2,
    minutes: Annotated[float | None, typer.Option(help="Time for each training.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each training.")] = None,
    folds: Annotated[int, typer.Option(help="As for crossval.")] = 0,
    group_pattern: Annotated[str | None, typer.Option(help="As for crossval.")] = None,
    recipe: Annotated[str, typer.Option(help="As for train.")] = "planned",
    config: Annotated[list[str], typer.Option(help="As for train; repeatable.")] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Show how the score grows with what is annotated, and whether another image is likely to help.

    Example: `livecell learning-curve cells --output curve --minutes 3`
    """
    from livecell_monai.data.dataset.folds import FoldOptions
    from livecell_monai.experiments.learning_curve import learn_curve
    from livecell_monai.outputs.figures import write_png
    from livecell_monai.report.curves import draw_learning_curve

    settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
    curve = learn_curve(data, output, config, settings, recipe, by, draws, FoldOptions(folds, group_pattern))
    write_png(output / "curve.png", draw_learning_curve(curve.points))
    rows = []
    for point in curve.points:
        amount = (
            f"{point['share_of_area']:.1%} of the area" if "share_of_area" in point else f"{point['training_images']} images"
        )
        interval = "" if point["low_95"] is None else f"{point['low_95']:.3f} .. {point['high_95']:.3f}"
        rows.append([amount, str(point["scored_images"]), f"{point['iou']:.3f}", interval])
    show_table(["trained on", "scored images", "IoU", "95 % interval"], rows)
    print(curve.words)
    print(f"by image: {output / 'scores.csv'}; picture: {output / 'curve.png'}")
