"""Predictions as outputs take them, of small worlds: an image, and the frames of a movie of two channels."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from livecell_monai.outputs.base import Frame, Prediction
from tests.support.stack_files import write_ome_tiff
from tests.support.worlds import picture_of, some_cells

COUNT = 5
MASKS = [some_cells(seed=seed) > 0 for seed in range(COUNT)]
PICTURES = np.stack([picture_of(mask, seed) for seed, mask in enumerate(MASKS)])


def write_movie(folder):
    """A movie of two channels in the true format, of which the second is predicted."""
    folder.mkdir(exist_ok=True)
    return write_ome_tiff(folder / "cells.ome.tif", np.stack([PICTURES, PICTURES], axis=1), "TCYX")


def image(source="a.tif", mask=MASKS[0], name="a", frame=None, size=(0.25, 0.5), seconds=0.5):
    """The prediction of an image, its probability 0.75 in the mask."""
    return Prediction(name, source, mask, {"foreground": mask * np.float32(0.75)}, size, seconds, frame)


def frames(movie="cells.ome.tif", indices=range(COUNT), name="cells", interval_min=1.5):
    """The predictions of some frames of a movie."""
    chosen = list(indices)
    return [
        image(f"{movie}::t={index},c=1,z=0", MASKS[index], name, Frame(index, at, len(chosen), interval_min, "GFP"))
        for at, index in enumerate(chosen)
    ]


def with_cells(given):
    """The predictions with the components of their masks as cells."""
    return [replace(one, cells=ndimage.label(one.mask)[0]) for one in given]


def write(output, given, folder):
    """Give an output some predictions; the rows that it returns."""
    folder.mkdir(exist_ok=True)
    return [output.write(prediction, folder) for prediction in given]


def names(folder):
    """The names of the files in a folder."""
    return {path.name for path in folder.iterdir()}
