"""Small label images as other programs see them, and the way back from annotations."""

import numpy as np

from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.labelling import Counts, label_objects
from livecell_monai.exchange.registry import FORMATS

#: a hole with an island, two parts, a diagonal contact of parts and of holes, single pixels, objects at the border
MIXED = np.array(
    [
        [1, 1, 1, 1, 1, 0, 2],
        [1, 0, 0, 0, 1, 2, 0],
        [1, 0, 3, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 4, 4],
        [1, 1, 1, 0, 1, 4, 5],
        [0, 0, 1, 1, 1, 5, 5],
        [7, 0, 0, 0, 0, 0, 1],
    ],
    np.uint32,
)
HIGH = np.where(MIXED == 3, 70_000, MIXED).astype(np.uint32)  #: an id that 16 bits do not hold


def write_planes(name, path, planes):
    """Write planes in a format."""
    writer = FORMATS[name].open(path)
    for plane in planes:
        writer.add(plane)
    writer.close()
    return path


def write_labels(name, folder, labels, image="a"):
    """Write one label image in a format, under the name that the format gives it."""
    return write_planes(name, folder / FORMATS[name].target.format(name=image), [LabelledPlane(image, labels)])


def read_all(name, path, wanted=("a",)):
    """The annotations in a file."""
    return list(FORMATS[name].read(path, frozenset(wanted)))


def to_labels(annotation, shape, classes=()):
    """The label image of an annotation, what is not annotated, and the counts."""
    counts = Counts()
    labels, outside = label_objects(annotation, shape, classes, counts)
    return labels, outside, counts


def square(left, top, size):
    """The ring (4, 2) of a square."""
    return np.array([(left, top), (left + size, top), (left + size, top + size), (left, top + size)], float)
