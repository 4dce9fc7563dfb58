"""The tools that users compare us with, trained on the same images for the same minutes and scored by the same scorer.

Run: `python benchmarks/peers/compare.py DATA --minutes 10 --output table.md`; README.md beside this file describes the
peers. Each peer gets a copy of the data without the test labels, and they take turns, so that each has all cores. Where a
peer gives masks only, cells are separated at their necks, with the settings that our plan chooses for the training images.
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
from dataclasses import asdict
from pathlib import Path

import tifffile

from livecell_monai import __version__
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.readers.kinds import read_label, read_plane
from livecell_monai.errors import LiveCellError
from livecell_monai.metrics import label_of
from livecell_monai.sample import Pixels, Sample

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script has its own folder there
from peers.scoring import SCORES, Result, format_score, make_decoder, score_results

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "peers"
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
PEERS = ("livecell", "livecell_scratch", "report", "nnunet", "cellpose", "stardist", "pixel_classifier", "otsu")
INSTALLING_S = 3600.0
PREDICTING_S = 3600.0  # beyond the minutes of the training, after which a peer counts as hung
HEADER = ("peer", "version", "cells by", *map(label_of, SCORES), "training", "prediction of an image")
REASON_LENGTH = 160


class PeerError(Exception):
    """A peer has failed; the message is one line."""


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
    """The interpreter of a peer: of an environment made from its requirements, or ours if it has none.

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
    log, constraints = folder / "install.log", folder / CONSTRAINTS.name
    constraints.write_text(constrain(requirements.read_text(encoding="utf-8")), encoding="utf-8")
    call([sys.executable, "-m", "venv", str(environment)], log, INSTALLING_S)
    wanted = ["--requirement", str(requirements), "--constraint", str(constraints)]
    call([str(python), "-m", "pip", "install", *wanted], log, INSTALLING_S)
    shutil.copyfile(requirements, made_of)
    return python


def constrain(requirements: str) -> str:
    """Our constraints.txt, without the packages that a peer needs in another version."""
    pins = set(requirements.splitlines())
    names = {pin.partition("==")[0] for pin in pins}
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if line in pins or line.partition("==")[0] not in names)


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
    """Train a peer, let it predict, and score what it left; all scores are also written to CACHE/PEER/scores.json.

    Raises:
        PeerError: it failed, or left no mask or one of another size.
    """
    folder = cache / peer
    results = folder / "results"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(results, ignore_errors=True)
    scores = folder / "scores.json"
    scores.unlink(missing_ok=True)
    python = make_python(peer, folder)
    command = [str(python), str(HERE / peer / "run.py"), str(data), str(results), "--minutes", str(minutes)]
    call(command, folder / "run.log", 60 * minutes + PREDICTING_S)
    try:
        result = score_results(results, truths, make_decoder(data))
    except (LiveCellError, ValueError, OSError) as error:
        raise PeerError(" ".join(str(error).split())) from error
    scores.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    return result


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
    return [
        peer,
        version_of(peer),
        "itself" if outcome.separates_cells else "our fallback",
        *(format_score(outcome.summary, name) for name in SCORES),
        f"{outcome.training_s:.0f} s",
        f"{outcome.prediction_s / outcome.summary['images']:.2f} s",
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
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for environments, logs, masks and cells")
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
        f"{arguments.minutes:g} minutes of training, {os.cpu_count()} cores, Python {platform.python_version()};"
        f" means over {len(truths)} test images (95 % over images)"
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
