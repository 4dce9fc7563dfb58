"""Broken files through the commands as a user calls them: exit codes, one line for each file, masks for all others."""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tifffile
from numpy.typing import NDArray

from fuzz.lines import judge_output
from fuzz.reading import Outcome, try_image
from fuzz.seed import Seed
from fuzz.seeds import picture
from livecell_monai import cli
from livecell_monai.data.readers.selection import list_planes
from livecell_monai.errors import SettingError
from livecell_monai.sample import FRAMES

LARGEST = 10**6  # pixels of an image that is predicted


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


def run_command(*words: object) -> Done:
    """One call of `livecell` in this process; whatever any library prints is heard."""
    code = 0
    with _hearing() as heard, mock.patch.object(sys, "argv", ["livecell", *map(str, words)]):
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, *heard)


def try_commands(inputs: Sequence[Seed], folder: Path, bundle: Path) -> list[str]:
    """Several files through `info`, `check` and `predict`; what was wrong.

    Args:
        inputs: the broken files.
        folder: an empty one to work in.
        bundle: a trained one.
    """
    images = folder / "data" / "test" / "images"
    paths = {seed.write(images, f"m{place:02d}"): seed for place, seed in enumerate(inputs)}
    outcomes = {path: try_image(seed, path) for path, seed in paths.items()}
    wrong = [f"{paths[path].flavour}: {outcome.wrong}" for path, outcome in outcomes.items() if outcome.wrong]
    return wrong or [
        *_try_info(images),
        *_try_check(folder / "data", outcomes),
        *_try_predict(folder, bundle, outcomes),
    ]


def write_training(data: Path) -> None:
    """Two valid annotated images."""
    for number in range(2):
        for part, pixels in (("images", picture("uint16", (64, 72), number)), ("labels", _label((64, 72)))):
            path = data / "train" / part / f"valid_{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, pixels)


def _label(shape: tuple[int, int]) -> NDArray[Any]:
    rows, columns = np.indices(shape)
    label: NDArray[Any] = ((rows // 9 + columns // 8) % 3 == 0).astype(np.uint8)
    return label


def _try_info(images: Path) -> list[str]:
    done = run_command("info", images)
    return _judge("info", done, (0, 2), done.err)


def _try_check(data: Path, outcomes: dict[Path, Outcome]) -> list[str]:
    write_training(data)
    for number, path in enumerate(list(outcomes)[:3]):  # some as labels too
        ending = path.name[path.name.index(".") :]
        for part in ("images", "labels"):
            (data / "train" / part).mkdir(exist_ok=True)
        tifffile.imwrite(data / "train" / "images" / f"label_{number}.tif", picture())
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, data / "train" / "labels" / f"label_{number}{ending}")
    done = run_command("check", data)
    wrong = _judge("check", done, (0, 2), done.err)
    for path, outcome in outcomes.items():
        is_told = f"{path.name}" in done.err
        if is_told != (outcome.problem is not None):
            wrong.append(f"check {'names' if is_told else 'is silent about'} {path.name}: {outcome.problem}")
    return wrong


def _try_predict(folder: Path, bundle: Path, outcomes: dict[Path, Outcome]) -> list[str]:
    chosen, stacks, left_out = [], set(), None
    for path, outcome in outcomes.items():
        if outcome.size is not None and outcome.size[0] * outcome.size[1] > LARGEST:
            continue
        try:
            items = list_planes(path, None, None, None, None)
        except SettingError:
            left_out = path
        else:
            chosen.append(path)
            stacks |= {path} if FRAMES in items[0] or str(path) != items[0]["image"] else set()
    output = folder / "masks"
    wrong = []
    if left_out is not None:
        done = run_command("predict", bundle, left_out, "-o", output, "--set", "show_progress=false")
        wrong += _judge("predict", done, (2,), done.err)
        if output.exists() and any(output.iterdir()):
            wrong.append(f"predict of {left_out.name} left {sorted(file.name for file in output.iterdir())}")
    if not chosen:
        return wrong
    done = run_command("predict", bundle, *chosen, "-o", output, "--set", "show_progress=false")
    wrong += _judge("predict", done, (0, 3), done.err)
    for path in chosen:
        if (trouble := _judge_mask(output, path, outcomes[path], f"{path.name}" in done.err, path in stacks)) is not None:
            wrong.append(trouble)
    return wrong


def _judge_mask(output: Path, path: Path, outcome: Outcome, is_told: bool, is_stack: bool) -> str | None:
    """What is wrong with a file's mask, or with its absence."""
    stem = path.name[: path.name.index(".")]
    masks = [output / f"{stem}{ending}" for ending in (".tif", ".ome.tif") if (output / f"{stem}{ending}").exists()]
    if is_told == bool(masks):
        return f"predict wrote {len(masks)} masks of {path.name} and {'named it' if is_told else 'was silent'}"
    if not is_stack and is_told != (outcome.problem is not None):
        return f"predict {'names' if is_told else 'predicts'} {path.name}, the reader said {outcome.problem}"
    if masks:
        mask = tifffile.imread(masks[0])
        if not is_stack and mask.shape != outcome.size:
            return f"the mask of {path.name} is {mask.shape}, the image {outcome.size}"
        if not set(np.unique(mask)) <= {0, 255}:
            return f"the mask of {path.name} holds {np.unique(mask)[:5]}"
    return None


def _judge(command: str, done: Done, codes: tuple[int, ...], err: str) -> list[str]:
    """What is wrong with how a command ended and what it printed."""
    if done.code not in codes:
        return [f"{command} ended with {done.code}: {err[-300:]!r}"]
    wrong = judge_output(done.out + err)
    if wrong is None and (other := [line for line in err.splitlines() if not line.startswith("error: ")]):
        wrong = (
            None if command == "predict" and len(other) == 1 and other[0].endswith("have no mask") else f"noise: {other[:3]}"
        )
    return [] if wrong is None else [f"{command}: {wrong}"]


@contextmanager
def _hearing() -> Iterator[list[str]]:
    """What is written to the descriptors of standard output and error meanwhile, by C libraries too."""
    heard: list[str] = []
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [io.TextIOWrapper(io.FileIO(os.dup(file.fileno()), "w"), encoding="utf-8") for file in (out, err)]
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            with mock.patch.object(sys, "stdout", streams[0]), mock.patch.object(sys, "stderr", streams[1]):
                yield heard
        finally:
            for stream in streams:
                stream.close()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
            for file in (out, err):
                file.seek(0)
                heard.append(file.read().decode("utf-8", "backslashreplace"))
