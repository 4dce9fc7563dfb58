"""Commands that train several times: crossval, learning-curve, sweep."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecell_monai.cli.app import Config, Data, Seed, Set, app, opened_data, print_note, read_settings
from livecell_monai.cli.tables import show_summary, show_table

if TYPE_CHECKING:
    from livecell_monai.data.dataset.folds import FoldOptions
    from livecell_monai.experiments.crossval import CrossValidation
    from livecell_monai.experiments.parts import StudyRequest

FEW = 10  # with fewer images or groups, a 95 % interval of the bootstrap holds the mean less often than 9 times in 10

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the study; an interrupted one is resumed.")]
Minutes = Annotated[float | None, typer.Option(help="Time for each training; wide networks then make fewer steps.")]
Epochs = Annotated[int | None, typer.Option(help="Epochs of each training.")]
Folds = Annotated[int, typer.Option(help="Number of folds; 0: one for each image below seven images, else 5.")]
GroupPattern = Annotated[
    str | None, typer.Option(help="Regular expression that gives an image's group (a dish, a day) from its name.")
]
Recipe = Annotated[str, typer.Option(help="planned: settings from the images; original: those of the report.")]


@app.command()
def crossval(
    data: Data,
    output: Output,
    minutes: Minutes = None,
    epochs: Epochs = None,
    folds: Folds = 0,
    group_pattern: GroupPattern = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Also a bundle that averages those of the folds.")] = False,
    refit: Annotated[
        bool, typer.Option("--refit", help="Also a bundle of all images, as long as the folds suggest.")
    ] = False,
    compare_start: Annotated[
        bool, typer.Option("--compare-start", help="Also each fold from random weights, for what the start gains.")
    ] = False,
    recipe: Recipe = "planned",
    config: Config = [],  # noqa: B006
    seed: Seed = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Score every annotated image by a network that has not seen it, with one training for each fold.

    Example: `livecell crossval cells --output folds --minutes 10`
    """
    from livecell_monai.data.dataset.folds import FoldOptions
    from livecell_monai.experiments.crossval import cross_validate
    from livecell_monai.experiments.parts import StudyRequest
    from livecell_monai.experiments.start_comparison import check_start
    from livecell_monai.report.templates import render_study

    with opened_data(data, output) as folder:
        settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
        bundles = [name for name, is_wanted in (("ensemble", ensemble), ("refit", refit)) if is_wanted]
        request = StudyRequest(folder, config, settings, recipe)
        if compare_start:
            check_start(request)
        options = FoldOptions(folds, group_pattern)
        result = cross_validate(request, output, options, render_study, bundles, print_note)
        found = result.summary
        _show_folds(result)
        show_summary(found)
        cells = "cells not counted" if found["cells"] is None else f"{found['cells']} cells"
        print(f"each image by a network that has not seen it: {found['images']} images, {cells}")
        if found["groups"] < FEW:
            few = f"they rest on {found['groups']} images or groups (at 3 they hold 3 times in 4)"
            print(f"the intervals are too narrow: {few}")
        print(f"worst: {found['worst_image']}; by image: {output / 'scores.csv'}; bundles: {output}/fold_*")
        for kind, bundle in result.bundles.items():
            print(f"{kind}: {bundle}")
        if compare_start:
            _compare_start(request, output, result, options)


def _show_folds(result: "CrossValidation") -> None:
    from livecell_monai.metrics import list_metrics

    shown = [metric for metric in list_metrics() if metric.name in result.summary]
    rows = [[row["fold"], row["image"], *(f"{float(row[metric.name]):.3f}" for metric in shown)] for row in result.rows]
    show_table(["fold", "image", *(metric.label for metric in shown)], rows)


def _compare_start(request: "StudyRequest", output: Path, result: "CrossValidation", folds: "FoldOptions") -> None:
    """Train and score the folds without the start, print both, and write the page that compares them."""
    from livecell_monai.experiments.start_comparison import compare_start
    from livecell_monai.report.comparison import build_tables, write_comparison

    found = compare_start(request, output, result, folds)
    print("\nthe same folds from random weights")
    _show_folds(found.without)
    for table in build_tables(found.comparison):
        print(f"\n{table.title}" if table.title else "")
        show_table(table.header, table.rows)
    page = output / "start.html"
    write_comparison(found.comparison, html=page)
    print(f"page: {page}")


@app.command("learning-curve")
def learning_curve(
    data: Data,
    output: Output,
    by: Annotated[str, typer.Option(help="images, area (of each), or auto: area below seven images.")] = "auto",
    draws: Annotated[
        int, typer.Option(help="Random draws of each amount for each fold; more give a surer answer and take longer.")
    ] = 1,
    minutes: Minutes = None,
    epochs: Epochs = None,
    folds: Folds = 0,
    group_pattern: GroupPattern = None,
    recipe: Recipe = "planned",
    config: Config = [],  # noqa: B006
    seed: Seed = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Show how the score grows with the annotated amount, and whether another image is likely to help.

    Example: `livecell learning-curve cells --output curve --minutes 3`
    """
    from livecell_monai.data.dataset.folds import FoldOptions
    from livecell_monai.experiments.learning_curve import learn_curve
    from livecell_monai.experiments.parts import StudyRequest
    from livecell_monai.metrics import list_cell_metrics
    from livecell_monai.outputs.figures import write_png
    from livecell_monai.report.curves import draw_learning_curve

    with opened_data(data, output) as folder:
        settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
        request = StudyRequest(folder, config, settings, recipe)
        curve = learn_curve(request, output, by, draws, FoldOptions(folds, group_pattern), print_note)
    write_png(output / "curve.png", draw_learning_curve(curve.points))
    of_cells = [metric for metric in list_cell_metrics() if metric.name in curve.points[0]]
    rows = []
    for point in curve.points:
        share = point.get("share_of_area")
        amount = f"{point['training_images']} images" if share is None else f"{share:.1%} of the area"
        interval = "" if point["low_95"] is None else f"{point['low_95']:.3f} .. {point['high_95']:.3f}"
        cells = [f"{point[metric.name]:.3f}" for metric in of_cells]
        rows.append([amount, str(point["scored_images"]), f"{point['iou']:.3f}", interval, *cells])
    show_table(["trained on", "scored images", "IoU", "95 % interval", *(metric.label for metric in of_cells)], rows)
    print(curve.conclusion)
    print(f"by image: {output / 'scores.csv'}; picture: {output / 'curve.png'}")


@app.command()
def sweep(
    data: Data,
    output: Output,
    trials: Annotated[int, typer.Option(help="Number of trials of the whole study, finished ones included.")] = 12,
    minutes: Minutes = None,
    epochs: Epochs = None,
    space: Annotated[Path | None, typer.Option(help="YAML file of the search space; default: configs/sweep.yaml.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="URL of a database that several machines share; default: SQLite in the folder.")
    ] = None,
    study: Annotated[str, typer.Option(help="Name of the study in the storage.")] = "livecell",
    objective: Annotated[
        str, typer.Option(help="Validation score to improve: iou, accuracy, or of cells: ap50, pq, seg, count_error ...")
    ] = "iou",
    recipe: Recipe = "planned",
    config: Config = [],  # noqa: B006
    seed: Seed = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Search for better settings: train trials, prune the worse ones early, keep the best bundle.

    Settings fixed by --set are not searched.

    Example: `livecell sweep cells --output sweep --minutes 2`
    """
    from livecell_monai.experiments.objective import find_objective
    from livecell_monai.experiments.search_space import read_space
    from livecell_monai.experiments.sweep import SweepRequest
    from livecell_monai.experiments.sweep import sweep as run
    from livecell_monai.report.comparison import shorten

    with opened_data(data, output) as folder:
        settings = read_settings(set_, minutes=minutes, epochs=epochs, seed=seed)
        searched = read_space(space, settings)
        aim = find_objective(objective)
        request = SweepRequest(folder, config, settings, recipe, space=searched, trials=trials, objective=aim)
        column, label = aim.column, aim.metric.label
        result = run(request, output, storage, study, partial(_print_trial, column, label), _print_waiting, print_note)
    columns = ["trial", "state", column, "seconds", *searched.entries]
    rows = [[shorten(str(row.get(name, ""))) for name in columns] for row in result.rows]
    show_table(["trial", "state", label, "seconds", *searched.entries], rows)
    complete = sum(row["state"] == "complete" for row in result.rows)
    if result.importance:
        show_table(["setting", "importance"], [[name, f"{share:.2f}"] for name, share in result.importance.items()])
        print(f"importance: share of the differences between the {complete} complete trials; a hint, not a measurement")
    else:
        print("importance: the complete trials are too few or too similar to estimate it")
    if different := _describe_starts(result.rows):
        print(different)
    if searched.fixed:
        print(f"fixed by --set, not searched: {', '.join(searched.fixed)}")
    best = result.rows[0]
    where = result.best or f"{best['bundle']} (not on this machine)"
    print(f"best of {len(result.rows)}: trial {best['trial']}, selected by its validation {label} {best[column]:.3f}")
    print(f"bundle: {where}, table: {output / 'sweep.csv'}")


def _describe_starts(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line if some complete trials had a start and others did not, so that scores and importance compare that too."""
    begun = [row["began_from"] for row in rows if row["state"] == "complete"]
    without = begun.count("none")
    if not 0 < without < len(begun):
        return ""
    return (
        f"note: {without} of {len(begun)} complete trials began from random weights, the others from a start; scores and "
        "importance compare that too, see began_from in sweep.csv"
    )


def _print_trial(column: str, label: str, row: Mapping[str, Any]) -> None:
    score = "" if row[column] is None else f", validation {label} {row[column]:.3f}"
    print(f"trial {row['trial']}: {row['state']}{score}, {row['seconds']:.0f} s", flush=True)


def _print_waiting(trials: int) -> None:
    from livecell_monai.experiments.study import GRACE_S

    print(f"waiting for {trials} trials of other processes; a silent one is trained again after {GRACE_S} s", flush=True)
