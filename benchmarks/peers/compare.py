"""The tools that users compare us with, trained on the same images for the same minutes and scored by the same scorer.

Run: `python benchmarks/peers/compare.py DATA --minutes 10 --output table.md`; README.md beside this file tells of the peers.
Each peer gets a copy of the data without the test labels, and they take turns, so that each has all cores.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from livecell_monai import __version__
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.readers.kinds import read_label, read_plane
from livecell_monai.errors import LiveCellError
from livecell_monai.metrics import score_mask, summarise_scores
from livecell_monai.sample import Pixels, Sample

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "peers"
PEERS = ("livecell", "report", "nnunet", "cellpose", "stardist", "pixel_classifier", "otsu")
INSTALLING_S = 3600.0
PREDICTING_S = 3600.0  # beyond the minutes of the training, after which a peer counts as hung
HEADER = ("peer", "version", "IoU", "95 % interval", "pixel accuracy", "pooled IoU", "training", "prediction")
REASON_LENGTH = 160


class PeerError(Exception):
    """A peer has failed; the message is one line."""


@dataclass(frozen=True)
class Result:
    """What a peer has reached.

    Attributes:
        summary: as `summarise_scores` gives it.
        training_s: wall time of the training, preprocessing included.
        prediction_s: wall time of predicting all test images.
    """

    summary: dict[str, Any]
    training_s: float
    prediction_s: float


def stage(data: Path, folder: Path) -> None:
    """Copy what peers may see, as TIFF: the training images with labels and borders, the test images without."""
    shutil.rmtree(folder, ignore_errors=True)
    for sample in list_samples(data, "train"):
        for kind, path in (("images", sample.image), ("labels", sample.label), ("borders", sample.border)):
            _copy_as_tiff(path, folder / "train" / kind / f"{sample.name}.tif")
    for sample in list_samples(data, "test"):
        _copy_as_tiff(sample.image, folder / "test" / "images" / f"{sample.name}.tif")


def _copy_as_tiff(source: Path | None, target: Path) -> None:
    if source is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix.lower() in (".tif", ".tiff"):
        shutil.copyfile(source, target)  # with its pixel size
    else:
        tifffile.imwrite(target, read_plane(source).pixels)


def make_python(peer: str, folder: Path) -> Path:
    """The interpreter of a peer: of an environment made from its requirements, or ours where it has none.

    Raises:
        PeerError: the requirements cannot be installed.
    """
    requirements = HERE / peer / "requirements.txt"
    if not requirements.is_file():
        return Path(sys.executable)
    environment = folder / "environment"
    python = environment / "bin" / "python"
    made_of = environment / requirements.name
    if made_of.is_file() and made_of.read_bytes() == requirements.read_bytes():
        return python
    shutil.rmtree(environment, ignore_errors=True)
    log = folder / "install.log"
    call([sys.executable, "-m", "venv", str(environment)], log, INSTALLING_S)
    call([str(python), "-m", "pip", "install", "--requirement", str(requirements)], log, INSTALLING_S)
    shutil.copyfile(requirements, made_of)
    return python


def call(command: Sequence[str], log: Path, limit_s: float) -> None:
    """Run a command with its output in a log; what it has started ends with it.

    Raises:
        PeerError: the exit code is not 0, or the time is over.
    """
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    with open(log, "wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"not done after {limit_s / 60:.0f} min") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code:
        raise PeerError(f"{last_line(log)} (exit code {code})")


def last_line(log: Path) -> str:
    """The last line of a log that says something, without progress bars and colours."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", log.read_text(encoding="utf-8", errors="replace"))
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[-1][:REASON_LENGTH] if lines else "no word"


def run_peer(peer: str, data: Path, truths: dict[str, Pixels], minutes: float, cache: Path) -> Result:
    """Train a peer, let it predict, and score its masks.

    Raises:
        PeerError: it failed, or left no mask or one of another size.
    """
    folder = cache / peer
    masks = folder / "masks"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(masks, ignore_errors=True)
    python = make_python(peer, folder)
    command = [str(python), str(HERE / peer / "run.py"), str(data), str(masks), "--minutes", str(minutes)]
    call(command, folder / "run.log", 60 * minutes + PREDICTING_S)
    try:
        seconds = json.loads((masks / "seconds.json").read_text(encoding="utf-8"))
        scores = [score_mask(read_label(masks / f"{name}.tif"), truth) for name, truth in truths.items()]
    except (LiveCellError, ValueError, OSError) as error:
        raise PeerError(" ".join(str(error).split())) from error
    return Result(summarise_scores(scores), seconds["training"], seconds["prediction"])


def version_of(peer: str) -> str:
    """Name and version of what a peer stands for: the first line of its requirements, or ourselves."""
    requirements = HERE / peer / "requirements.txt"
    if not requirements.is_file():
        return f"livecell-monai {__version__}"
    return requirements.read_text(encoding="utf-8").splitlines()[0].replace("==", " ")


def row_of(peer: str, outcome: Result | PeerError) -> list[str]:
    """The cells of a peer's row."""
    if isinstance(outcome, PeerError):
        return [peer, version_of(peer), f"failed: {outcome}".replace("|", "\\|"), *[""] * (len(HEADER) - 3)]
    iou, accuracy = outcome.summary["iou"], outcome.summary["accuracy"]
    interval = iou["interval_95"]
    return [
        peer,
        version_of(peer),
        f"{iou['mean']:.3f}",
        "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}",
        f"{accuracy['mean']:.3f}",
        f"{outcome.summary['pooled_iou']:.3f}",
        f"{outcome.training_s:.0f} s",
        f"{outcome.prediction_s:.0f} s",
    ]


def table_of(rows: Sequence[Sequence[str]], note: str) -> str:
    """Rows as a table in Markdown, with a note below."""
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}\n"


def read_truths(samples: Sequence[Sample]) -> dict[str, Pixels]:
    """The test labels by name."""
    return {sample.name: read_label(sample.label) for sample in samples if sample.label is not None}


def parse_arguments() -> argparse.Namespace:
    """The arguments of this script."""
    parser = argparse.ArgumentParser(description="Train and score the tools that users compare us with.")
    parser.add_argument("data", type=Path, help="data folder or datalist with test labels")
    parser.add_argument("--minutes", type=float, required=True, help="time for each training")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=PEERS, metavar="PEER", help=" ".join(PEERS))
    parser.add_argument("--output", type=Path, help="also write the table into this file")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for environments, logs and masks")
    return parser.parse_args()


def main() -> None:
    """Run the peers in turn and print the table."""
    arguments = parse_arguments()
    truths = read_truths(list_samples(arguments.data, "test"))
    if not truths:
        sys.exit(f"error: {arguments.data}: the test images must have labels, found none")
    cache = arguments.cache.resolve()
    stage(arguments.data, cache / "data")
    note = (
        f"{arguments.minutes:g} minutes of training, {len(truths)} test images,"
        f" {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    rows = []
    for peer in arguments.only:
        try:
            outcome: Result | PeerError = run_peer(peer, cache / "data", truths, arguments.minutes, cache)
        except PeerError as error:
            outcome = error
        rows.append(row_of(peer, outcome))
        print(" | ".join(rows[-1]), flush=True)
        if arguments.output:  # after each, since the next may take an hour
            arguments.output.write_text(table_of(rows, note), encoding="utf-8")
    print(f"\n{table_of(rows, note)}", end="")


if __name__ == "__main__":
    main()
