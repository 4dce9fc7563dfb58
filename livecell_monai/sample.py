"""The vocabulary of the package: dictionary keys, axis order and the records that stages hand on.

Arrays of one image plane are (Y, X); with a channel axis (C, Y, X); in a batch (B, C, Y, X). Sizes, regions and spacings
are always given in the order (Y, X). A foreground pixel is one whose label is `> 0`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGE = "image"  #: key of the grey image
LABEL = "label"  #: key of the label: 0 background, > 0 the number of an instance
WEIGHT = "weight"  #: key of the optional weight per pixel: 0 unlabelled, high between close cells
TARGET = "target"  #: key of what the network learns from a label, (C, Y, X) in [0, 1], in the order of its channels
PRED = "pred"  #: key of the predicted mask; in training of the network's output too
LOGITS = "logits"  #: key of the network's output (C, Y, X)
LABELLED = "labelled"  #: key of which pixels are labelled (1, Y, X) bool, where not all are: others count in no score
MAPS = "maps"  #: key of the network's maps (C, Y, X) in [0, 1]
REGION = "region"  #: key of the part of the image that a sample stands for
NAME = "name"  #: key of the sample's name, the stem of its image file
FRAME = "frame"  #: key of a movie's frame: its index in the file, from 0
POSITION = "position"  #: key of a movie's frame: its place among those that were chosen, from 0
FRAMES = "frames"  #: key of a movie's frame: how many were chosen

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Region:
    """A rectangle of an image, half-open: rows [top, bottom), columns [left, right), in pixels of the original grid."""

    top: int
    left: int
    bottom: int
    right: int

    def crop(self, plane: Pixels) -> Pixels:
        """The view (..., bottom - top, right - left) of an array whose last two axes are (Y, X)."""
        return plane[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Plane:
    """One grey plane as read from disk.

    Attributes:
        pixels: (Y, X), in the file's own type and values.
        pixel_size_um: (Y, X) size of a pixel in µm, or None where the file does not tell.
    """

    pixels: NDArray[np.generic]
    pixel_size_um: tuple[float, float] | None = None


@dataclass(frozen=True)
class Sample:
    """One image on disk with what belongs to it.

    Attributes:
        name: stem of the image file; label and border bear the same.
        image: path of the grey image.
        label: path of the label, None for an image to be predicted only.
        border: path of the weight per pixel, None where there is none.
        group: images of one group (a dish, a day) stay on one side of a split; None stands for the image itself.
        region: the part of the image this sample stands for, None for the whole.
    """

    name: str
    image: Path
    label: Path | None = None
    border: Path | None = None
    group: str | None = None
    region: Region | None = None


@dataclass(frozen=True)
class SamplePrediction:
    """One image and what the network finds in it.

    Attributes:
        name: name of the sample.
        role: `validation` or `test`.
        image: (Y, X) float32 grey values as the network sees them.
        probability: (Y, X) float32 in [0, 1], of foreground.
        mask: (Y, X) bool, the foreground that is predicted.
        truth: (Y, X) bool, the annotated foreground; None where there is no annotation, or it was not looked at.
        labelled: (Y, X) bool, which pixels count in scores; None where all do.
    """

    name: str
    role: str
    image: Pixels
    probability: Pixels
    mask: Pixels
    truth: Pixels | None = None
    labelled: Pixels | None = None


@dataclass(frozen=True)
class Sides:
    """One annotated image and the parts of it that a split has given to training and to validation.

    Attributes:
        name: name of the sample.
        image: (Y, X) grey values.
        truth: (Y, X) bool, the annotated foreground.
        training: the part that is trained on, None where nothing is.
        validation: the part that is validated on, None where nothing is.
    """

    name: str
    image: Pixels
    truth: Pixels
    training: Region | None
    validation: Region | None
