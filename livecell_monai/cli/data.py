"""Commands about data: a sample set, what a folder holds, what training would make of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import Data, Set, app, read_settings
from livecell_monai.cli.tables import show_table


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write; must be empty or new.")],
    train: Annotated[int, typer.Option(min=1, help="Number of annotated training images.")] = 3,
    test: Annotated[int, typer.Option(min=0, help="Number of test images, labels beside them.")] = 12,
    size: Annotated[int, typer.Option(min=64, help="Height and width in pixels.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other images.")] = 0,
) -> None:
    """Write a synthetic set of phase-contrast-like images with labels and border weights.

    Example: `livecell sample cells`
    """
    from livecell_monai.data.samples.sample_set import write_sample_set

    write_sample_set(folder, train=train, test=test, shape=(size, size), seed=seed)
    print(f"{folder}: {train} training and {test} test images of {size} x {size} pixels")


@app.command()
def check(data: Data) -> None:
    """Show what a data folder holds, what is wrong with it and what its training images are like.

    The exit code is 2 where something is wrong.

    Example: `livecell check cells`
    """
    from livecell_monai.data.dataset.findings import check_data
    from livecell_monai.data.dataset.folder import list_samples
    from livecell_monai.plan import describe_fingerprint, measure_fingerprint

    findings = check_data(data)
    rows = [
        [
            found.role,
            found.name,
            "" if found.size is None else f"{found.size[0]} x {found.size[1]}",
            found.dtype,
            "" if found.low is None else f"{found.low:g} .. {found.high:g}",
            "" if found.foreground is None else f"{found.foreground:.1%}",
            "" if found.cells is None else str(found.cells),
            "ok" if found.problem is None else "PROBLEM",
        ]
        for found in findings
    ]
    show_table(["set", "image", "Y x X", "type", "values", "foreground", "cells", ""], rows)
    problems = [found.problem for found in findings if found.problem is not None]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(2)
    print()
    show_table(["training images", ""], describe_fingerprint(measure_fingerprint(list_samples(data, "train"))))


@app.command()
def plan(
    data: Data,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="YAML file to write, for train --config.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time for the whole run.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Show the settings that `train` makes of the annotated images, each with its reason.

    Example: `livecell plan cells --minutes 10 --output plan.yaml`
    """
    from livecell_monai.plan import format_plan, write_plan
    from livecell_monai.training.setup import plan as run

    choices, head = run(data, settings=read_settings(set_, minutes=minutes))
    if output is not None:
        write_plan(output, choices, head)
    print(format_plan(choices, head), end="")
