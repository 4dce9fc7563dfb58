"""What all peers share: arguments, data that may be seen, a clock, and what is left behind.

A peer is a script `run.py DATA MASKS --minutes M`. It sees DATA/train and DATA/test/images, trains for M minutes at most,
its own preprocessing included, and leaves MASKS/NAME.tif, uint8 of 0 and 255 on the image's own grid, for every test image,
and MASKS/seconds.json. It runs in an environment of its own, where our package is not installed: here stand only imports
that every peer has.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

SECONDS = "seconds.json"  #: beside the masks: how long training and prediction took

Pixels = NDArray[Any]
Segment = Callable[[Pixels], Pixels]  #: grey image (Y, X) as on disk -> mask or instances (Y, X), foreground > 0


class OutOfTime(Exception):  # noqa: N818 - the end of a training and no error
    """Raised inside of a tool's own loop to end it."""


@dataclass(frozen=True)
class Annotated:
    """A training image with its label.

    Attributes:
        name: stem of the file.
        image: (Y, X), values as on disk.
        cells: (Y, X) int32, 0 background, one number per cell.
    """

    name: str
    image: Pixels
    cells: Pixels


class Clock:
    """The minutes that a training has, counted from the making of the clock.

    Attributes:
        seconds: the time as it was given.
    """

    def __init__(self, minutes: float) -> None:
        self.seconds = 60 * minutes
        self._start = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that are left, negative after the end."""
        return self.seconds - (time.monotonic() - self._start)

    @property
    def part(self) -> float:
        """Part of the time that has gone, in [0, 1]."""
        return min(1.0, 1 - self.left / self.seconds)


class Pace:
    """Ends a loop from inside, ahead of the step that would overrun the clock.

    Args:
        clock: of the training.
        reserve: seconds to leave for what comes after the loop.
    """

    def __init__(self, clock: Clock, reserve: float = 0.0) -> None:
        self._clock = clock
        self._reserve = reserve
        self._begun: float | None = None
        self.steps = 0

    def begin_step(self) -> None:
        """To be called ahead of each step.

        Raises:
            OutOfTime: no time is left for a step as long as the one before.
        """
        left = self._clock.left
        needed = self._reserve + (0.0 if self._begun is None else self._begun - left)
        if left <= needed:
            raise OutOfTime
        self._begun = left
        self.steps += 1


def require_steps(steps: int) -> None:
    """Refuse to call a network trained that was not.

    Raises:
        RuntimeError: no step was made.
    """
    if steps < 1:
        raise RuntimeError("the minutes were over ahead of the first training step; give more")


def parse_arguments() -> argparse.Namespace:
    """The arguments `data`, `masks` and `minutes` of a peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder with train/images, train/labels and test/images, all TIFF")
    parser.add_argument("masks", type=Path, help="folder for NAME.tif and seconds.json")
    parser.add_argument("--minutes", type=float, required=True, help="time for training, preprocessing included")
    return parser.parse_args()


def list_tiffs(folder: Path) -> list[Path]:
    """The TIFF files of a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".tif", ".tiff"))


def number_cells(label: Pixels) -> Pixels:
    """Cells as (Y, X) int32, one number each; of a binary label the connected components are the cells."""
    if len(np.unique(label[label > 0])) > 1:
        return label.astype(np.int32)
    cells: Pixels = ndimage.label(label > 0)[0].astype(np.int32)
    return cells


def read_training(data: Path) -> list[Annotated]:
    """The training images of a data folder with their cells."""
    images = list_tiffs(data / "train" / "images")
    labels = (tifffile.imread(data / "train" / "labels" / path.name) for path in images)
    return [
        Annotated(path.stem, tifffile.imread(path), number_cells(label)) for path, label in zip(images, labels, strict=True)
    ]


def write_seconds(masks: Path, training: float, prediction: float) -> None:
    """Leave the wall times of training and prediction beside the masks."""
    text = json.dumps({"training": round(training, 1), "prediction": round(prediction, 1)})
    (masks / SECONDS).write_text(text, encoding="utf-8")


def serve(train: Callable[[Sequence[Annotated], Clock], Segment]) -> None:
    """Be a peer: read, train, predict, write.

    Args:
        train: takes the training images and the clock, which is running already, and returns what segments an image.
    """
    arguments = parse_arguments()
    start = time.monotonic()
    clock = Clock(arguments.minutes)
    segment = train(read_training(arguments.data), clock)
    trained = time.monotonic()
    arguments.masks.mkdir(parents=True, exist_ok=True)
    for path in list_tiffs(arguments.data / "test" / "images"):
        mask = segment(tifffile.imread(path)) > 0
        tifffile.imwrite(arguments.masks / f"{path.stem}.tif", mask.astype(np.uint8) * np.uint8(255))
    write_seconds(arguments.masks, trained - start, time.monotonic() - trained)
