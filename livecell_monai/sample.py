"""The vocabulary of the package: dictionary keys, axis order and the records that are passed between stages.

Arrays of one image plane are (Y, X); with a channel axis (C, Y, X); in a batch (B, C, Y, X). Sizes, regions and spacings
are always in the order (Y, X). A foreground pixel is one whose label is `> 0`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGE = "image"  #: key of the grey image
LABEL = "label"  #: key of the label: 0 background, > 0 the instance id, IGNORED where not annotated
WEIGHT = "weight"  #: key of the optional weight per pixel: 0 unlabelled, high between close cells
TARGET = "target"  #: key of the training target of a label, (C, Y, X) in [0, 1], negative where unknown; a channel per map
PRED = "pred"  #: key of the predicted mask; in training also of the network's output
LOGITS = "logits"  #: key of the network's output (C, Y, X)
LABELLED = "labelled"  #: key of the mask of labelled pixels (1, Y, X) bool, if some are not: those count in no score
MAPS = "maps"  #: key of the network's maps (C, Y, X) in [0, 1]
CELLS = "cells"  #: key of the predicted cells (1, Y, X), ids from 1; only where the label tells cells apart
TRUE_CELLS = "true_cells"  #: key of the annotated cells (1, Y, X), ids above 0; only with the predicted ones
REGION = "region"  #: key of the part of the image that a sample uses
NAME = "name"  #: key of the sample's name, the stem of its image file
FRAME = "frame"  #: key of a movie frame's index in the file, from 0
POSITION = "position"  #: key of a movie frame's index among the selected frames, from 0
FRAMES = "frames"  #: key of the number of selected frames
PROBLEM = "problem"  #: key of the reason why a movie frame has no prediction
MISSING = "missing"  #: the reason if a movie may have gaps, and the frame is in one
OWN = "own_settings"  #: key of the values of settings that an image has for itself, if it has some
IGNORED = -1  #: value of a label where the image is not annotated, which is not background

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Region:
    """A rectangle of an image, half-open: rows [top, bottom), columns [left, right), in pixels of the original grid."""

    top: int
    left: int
    bottom: int
    right: int

    def overlap(self, other: "Region") -> "Region":
        """The part that two regions share."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        return Region(top, left, min(self.bottom, other.bottom), min(self.right, other.right))

    def relative_to(self, outer: "Region") -> "Region":
        """The same rectangle, counted from the top left corner of another region."""
        return Region(self.top - outer.top, self.left - outer.left, self.bottom - outer.top, self.right - outer.left)

    def tiles(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Row and column of each tile that the region touches, of a grid of tiles of one size."""
        rows, columns = (
            range(self.top // height, -(-self.bottom // height)),
            range(self.left // width, -(-self.right // width)),
        )
        return product(rows, columns)

    def crop(self, plane: Pixels) -> Pixels:
        """The view (..., bottom - top, right - left) of an array whose last two axes are (Y, X)."""
        return plane[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Plane:
    """One grey plane as read from disk."""

    pixels: NDArray[np.generic]  #: (Y, X), in the file's own type and values
    pixel_size_um: tuple[float, float] | None = None  #: (Y, X) size of a pixel in µm, None if the file does not state it


@dataclass(frozen=True)
class Sample:
    """One image on disk with its annotation."""

    name: str  #: stem of the image file; label and border have the same stem
    image: Path  #: of the grey image
    label: Path | None = None  #: None for an image that is only predicted
    border: Path | None = None  #: of the weight per pixel, None without one
    group: str | None = None  #: images of a group (a dish, a day) stay on one side of a split; None is a group of its own
    region: Region | None = None  #: the part of the image that is used, None for the whole
    ignore: Path | None = None  #: of the plane that is not 0 where the image is not annotated, None without one
    unlabelled_value: int | None = None  #: value of the label file where it is not annotated, beside -1


@dataclass(frozen=True)
class SamplePrediction:
    """One image and its prediction."""

    name: str  #: of the sample
    role: str  #: `validation` or `test`
    image: Pixels  #: (Y, X) float32 grey values as the network gets them
    probability: Pixels  #: (Y, X) float32 in [0, 1], of foreground
    mask: Pixels  #: (Y, X) bool, the predicted foreground
    truth: Pixels | None = None  #: (Y, X) bool, the annotated foreground; None if there is no annotation or it was not read
    labelled: Pixels | None = None  #: (Y, X) bool, which pixels count in scores; None for all
    cells: Pixels | None = None  #: (Y, X) ids of the predicted cells; None if they are neither scored nor written
    true_cells: Pixels | None = None  #: (Y, X) ids of the annotated cells; None if the label does not tell cells apart
    region: Region | None = None  #: the part of the image that all planes are of, None for the whole


@dataclass(frozen=True)
class SplitPreview:
    """One annotated image and its training and validation regions, None without one."""

    name: str  #: of the sample
    image: Pixels  #: (Y, X) grey values
    truth: Pixels  #: (Y, X) bool, the annotated foreground
    training: Region | None
    validation: Region | None
    labelled: Pixels | None = None  #: (Y, X) bool, which pixels are annotated; None for all
