"""The command that makes the weights from which trainings start."""

import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecell_monai.cli.app import STARTED, Overwrite, app, opened_data

if TYPE_CHECKING:
    from livecell_monai.training.pretraining import Pretraining


@app.command()
def pretrain(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, ending in .safetensors.")],
    minutes: Annotated[float | None, typer.Option(help="Time for the whole run; this or --steps.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the training; this or --minutes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other fields.")] = 0,
    data: Annotated[
        list[Path], typer.Option(help="Data folder with real annotated images to learn from as well; repeatable.")
    ] = [],  # noqa: B006
    share: Annotated[float, typer.Option(help="Fraction of the patches from --data.")] = 0.2,
    from_: Annotated[Path | None, typer.Option("--from", help="Weights to go on from, written by this command.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw fields; 0 draws them in turn.")] = 1,
    leave_out: Annotated[list[str], typer.Option(help="Kind of images that the stream leaves out; repeatable.")] = [],  # noqa: B006
    accelerator: Annotated[str, typer.Option(help="As the setting: auto, cpu, cuda ...")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Train the default network on a stream of procedural images, for trainings to start from.

    The weights are written every three minutes, so that a stop leaves the last ones. To go on from them, add --from. With
    --steps, the same command gives the same weights on the same CPU.

    Example: `livecell pretrain --output start.safetensors --minutes 120`
    """
    from livecell_monai.runs.atomic import check_overwrite
    from livecell_monai.training.pretraining import Pretraining, PretrainingRequest

    check_overwrite(output, overwrite or from_ == output)
    with ExitStack() as opened, _printed("livecell_monai.training.pretraining"):
        folders = tuple(str(opened.enter_context(opened_data(folder))) for folder in data)
        left_out = tuple(leave_out)
        request = PretrainingRequest(output, minutes, steps, seed, folders, share, from_, workers, left_out, accelerator)
        run = Pretraining(request, STARTED)
        try:
            run.run()
        except KeyboardInterrupt:
            if steps is None or run.written != steps:
                print(f"to go on: {shlex.join(_name_next(run, data, overwrite))}", file=sys.stderr)
            raise
    print(f"{output}: {run.steps} steps, loss {run.loss:.4f}, {run.accelerator}")


def _name_next(run: "Pretraining", data: Sequence[Path], overwrite: bool) -> list[str]:
    """The command that continues from the file of this run; the same command again if it wrote none."""
    request, is_written = run.request, run.written is not None
    start = request.output if is_written else request.start
    options: dict[str, Sequence[object]] = {
        "from": [] if start is None else [start],
        "output": [request.output],
        "minutes": [] if request.minutes is None else [f"{request.minutes:g}"],
        "steps": [] if request.steps is None else [request.steps - (run.written or 0)],
        "seed": [request.seed],
        "data": data,
        "share": [request.share] * bool(data),
        "leave-out": request.leave_out,
        "workers": [request.workers],
        "accelerator": [request.accelerator],
    }
    words = [word for name, values in options.items() for value in values for word in (f"--{name}", str(value))]
    return ["livecell", "pretrain", *words, *(["--overwrite"] if overwrite and not is_written else [])]


@contextmanager
def _printed(name: str) -> Iterator[None]:
    """Print what a logger says, meanwhile."""
    logger, handler = logging.getLogger(name), logging.StreamHandler(sys.stdout)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
