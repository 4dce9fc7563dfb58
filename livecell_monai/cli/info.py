"""The command that shows what an image file tells of itself."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import app
from livecell_monai.cli.tables import show_table


@app.command()
def info(
    images: Annotated[list[Path], typer.Argument(help="Files, folders or globs.")],
    axes: Annotated[str | None, typer.Option(help="What the files' axes are, in their order: TYX, CZYX ...")] = None,
) -> None:
    """Show the axes, type, pixel size, interval and channels of image files; only their headers are read.

    The exit code is 2 where a file cannot be opened.

    Example: `livecell info movie.nd2`
    """
    from livecell_monai.data.paths import list_images
    from livecell_monai.data.readers import describe_axes, open_stack
    from livecell_monai.errors import LiveCellError

    rows, problems = [], []
    for path in list_images(images):
        try:
            with open_stack(path, axes) as stack:
                size, step, interval = stack.pixel_size_um, stack.z_step_um, stack.interval_min
                rows.append(
                    [
                        path.name,
                        describe_axes(stack.axes, stack.shape),
                        str(stack.dtype),
                        "" if size is None else f"{size[0]:.4g} x {size[1]:.4g} µm",
                        "" if step is None else f"{step:.4g} µm",
                        "" if interval is None else f"{interval:.4g} min",
                        ", ".join(f"{index} {name}" for index, name in enumerate(stack.channels)),
                    ]
                )
        except LiveCellError as error:
            problems.append(str(error))
    if rows:
        show_table(["image", "axes", "type", "pixel, Y x X", "Z step", "frame every", "channels"], rows)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(2)
