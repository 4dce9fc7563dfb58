"""The test image of an exported model: a drawn field whose cells have the size that the bundle expects, or a given file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.readers.kinds import read_image
from livecell_monai.data.samples.synthetic import draw_field
from livecell_monai.errors import DataError
from livecell_monai.outputs.overlay import draw_overlay, stretch
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import Pixels

DRAWN_DIAMETER = 50.0  #: px of the typical cell of a drawn field
EDGES = (256, 512)  #: px, the least and the greatest edge of a test image
LEAST = 64  # px, of a given image
CELLS_ACROSS = 8  # cells along an edge, within EDGES


@dataclass(frozen=True)
class Example:
    """A test image with what the bundle says about it."""

    image: Pixels  #: (Y, X) float32 grey values
    maps: Pixels  #: (C, Y, X) float32 in [0, 1]
    mask: Pixels  #: (Y, X) bool
    cells: Pixels | None  #: ids (Y, X), where the network has a map that separates cells

    def draw(self) -> NDArray[np.uint8]:
        """The image, and beside it the same with mask or cells, as (Y, 2 X, 3)."""
        plain = np.repeat(stretch(self.image)[..., None], 3, axis=2)
        return np.concatenate([plain, draw_overlay(self.image, self.mask, cells=self.cells)], axis=1)


def predict_example(segmenter: Segmenter, image: Pixels) -> Example:
    """What a bundle says about a test image (Y, X)."""
    grey = np.ascontiguousarray(image, dtype=np.float32)
    maps = segmenter.maps(grey)
    planes = np.stack(list(maps.values()))
    mask = planes[0] >= segmenter.threshold
    return Example(grey, planes, mask, segmenter.decoder(mask, maps) if segmenter.decoder.has_map else None)


def draw_example(cell_diameter: float) -> Pixels:
    """A square field (Y, X) uint16 of cells of about a diameter in px, always the same for the same diameter."""
    zoom = cell_diameter / DRAWN_DIAMETER
    edge = int(min(max(EDGES[0], CELLS_ACROSS * cell_diameter), EDGES[1])) // LEAST * LEAST
    drawn = max(LEAST, int(np.ceil(edge / zoom)) + 1)
    field = draw_field((drawn, drawn), rng=np.random.default_rng(0))
    scaled = ndimage.zoom(field.image, max(zoom, (edge + 1) / drawn), order=1)
    return np.ascontiguousarray(scaled[:edge, :edge])


def read_example(path: Path) -> Pixels:
    """The middle of an image file (Y, X), at most `EDGES[1]` px high and wide.

    Raises a DataError if it is not one grey plane, or smaller than 64 px.
    """
    pixels = read_image(path).pixels
    if min(pixels.shape) < LEAST:
        raise DataError(
            f"{path}: a test image must have at least {LEAST} x {LEAST} px, got {pixels.shape[0]} x {pixels.shape[1]}; "
            "name a larger one"
        )
    top, left = (max(0, (edge - EDGES[1]) // 2) for edge in pixels.shape)
    return np.ascontiguousarray(pixels[top : top + EDGES[1], left : left + EDGES[1]])
