"""What all peers share: arguments, data that may be seen, a clock, and what is left behind.

A peer is a script `run.py DATA RESULTS --minutes M`. It sees DATA/train and DATA/test/images, and trains for M minutes at
most, its own preprocessing included. For every test image it leaves RESULTS/NAME.tif, a mask uint8 of 0 and 255 on the
image's own grid, and if it separates cells, RESULTS/NAME_cells.tif, their ids as uint16 or uint32; and RESULTS/seconds.json.
It runs in an environment of its own, where our package is not installed: only what every peer has is imported here.
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
CELLS = "{}_cells.tif"  #: by name of the image: the cells of a peer that separates them

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
    """The arguments `data`, `results` and `minutes` of a peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder with train/images, train/labels and test/images, all TIFF")
    parser.add_argument("results", type=Path, help="folder for NAME.tif, NAME_cells.tif and seconds.json")
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


def write_seconds(results: Path, training: float, prediction: float) -> None:
    """Leave the wall times of training and prediction of all test images beside the masks."""
    text = json.dumps({"training": round(training, 1), "prediction": round(prediction, 2)})
    (results / SECONDS).write_text(text, encoding="utf-8")


def write_result(results: Path, name: str, found: Pixels, separates_cells: bool) -> None:
    """Write the mask of an image, and its cells if the peer separates them.

    Args:
        results: folder.
        name: of the image.
        found: (Y, X), foreground > 0; ids of the cells if the peer separates them.
        separates_cells: whether it does.
    """
    tifffile.imwrite(results / f"{name}.tif", (found > 0).astype(np.uint8) * np.uint8(255))
    if separates_cells:
        dtype = np.uint16 if found.max() <= np.iinfo(np.uint16).max else np.uint32
        tifffile.imwrite(results / CELLS.format(name), found.astype(dtype))


def serve(train: Callable[[Sequence[Annotated], Clock], Segment], separates_cells: bool = False) -> None:
    """Be a peer: read, train, predict, write.

    Args:
        train: takes the training images and the clock, which is running already, and returns what segments an image.
        separates_cells: whether that gives the ids of cells, not a mask only.
    """
    arguments = parse_arguments()
    start = time.monotonic()
    clock = Clock(arguments.minutes)
    segment = train(read_training(arguments.data), clock)
    trained = time.monotonic()
    arguments.results.mkdir(parents=True, exist_ok=True)
    for path in list_tiffs(arguments.data / "test" / "images"):
        write_result(arguments.results, path.stem, segment(tifffile.imread(path)), separates_cells)
    write_seconds(arguments.results, trained - start, time.monotonic() - trained)
