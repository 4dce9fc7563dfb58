"""The cells: a label image per image, a stack per movie, in which each cell has an id of its own."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from livecell_monai.data.paths import stem_of
from livecell_monai.data.plane_files import MOST_16_BIT, label_type, write_plane
from livecell_monai.errors import DataError
from livecell_monai.outputs.base import Files, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.movie_file import MovieWriter
from livecell_monai.runs.atomic import writing_errors
from livecell_monai.sample import Pixels

ENDING, STACK_ENDING = "_cells.tif", "_cells.ome.tif"  #: after the name of an image; of a movie or a large image
_WIDE_FROM = MOST_16_BIT // 4  # cells in the first frame of a movie, from which on its stack has 32 bits


class CellLabels(Output):
    """`NAME_cells.tif`, (Y, X) uint16, of more than 65,535 cells uint32: 0 is background, each cell has an id from 1.

    Of a movie `NAME_cells.ome.tif`, (T, Y, X); an id means another cell in each frame. `prediction.large.cells` writes those
    of a large image, `NAME_cells.ome.tif` or the label image `cells` in `NAME.ome.zarr`.
    """

    needs_cells = True

    def __init__(self, options: OutputOptions | None = None) -> None:
        is_zarr = options is not None and options.large_image_format == "zarr"
        stack = (f"{{name}}{STACK_ENDING}",)
        self.files = Files(image=(f"{{name}}{ENDING}",), movie=stack, large=() if is_zarr else stack)
        self._movie = MovieWriter(STACK_ENDING)
        self._most = 0  # greatest id that fits into the type of the current stack

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the label image, or append it to the stack of its movie."""
        cells, frame = prediction.cells, prediction.frame
        assert cells is not None
        count = int(prediction.cell_runs.value.max(initial=0))
        if frame is None:
            plane = cells.astype(label_type(count))
            write_plane(folder / f"{prediction.name}{ENDING}", plane, prediction.pixel_size_um)
            return {}
        if frame.position == 0:
            self._most = MOST_16_BIT if count < _WIDE_FROM else np.iinfo(np.uint32).max
        if count > self._most:
            raise DataError(
                f"{prediction.source}: a frame must have at most {MOST_16_BIT:,} cells if the first one has few, got "
                f"{count:,}; raise min_cell_area, or predict it alone"
            )
        self._movie.append(prediction, cells.astype(label_type(self._most)), folder)
        return {}

    def discard(self) -> None:
        """Delete an incomplete stack."""
        self._movie.discard()


def remove_labels(folder: Path, name: str, names: Collection[str]) -> None:
    """Delete the label images of an image or movie, unless they have the stem of another one; may raise a DataError."""
    for ending in (ENDING, STACK_ENDING):
        path = folder / f"{name}{ending}"
        if stem_of(path) not in names:
            with writing_errors(path):
                path.unlink(missing_ok=True)


def outline_cells(cells: Pixels, width_px: int = 1) -> Pixels:
    """The outermost pixels (Y, X) bool of each cell of a label image, so that touching cells stay apart."""
    inner = cells > 0
    for _ in range(width_px):
        core = inner.copy()
        for first, second in (
            ((slice(1, None),), (slice(None, -1),)),
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ):
            same = cells[first] == cells[second]
            core[first] &= inner[second] & same
            core[second] &= inner[first] & same
        inner = core
    return (cells > 0) & ~inner
