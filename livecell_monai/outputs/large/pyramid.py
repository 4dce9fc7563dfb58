"""The pyramid of a complete mask, built in one pass per level, as OME-Zarr or as tiled BigTIFF."""

import os
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.plane_files import label_type, resolution_tags
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter, large_image_errors, open_level
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

SMALLEST = 1024  # maximum edge of the last level
THREADS = min(4, os.cpu_count() or 1)  # reading and encoding a chunk release Python's lock
Processed = tuple[int, bytes, Pixels]  # foreground pixels, encoded tile, every second pixel


def build_pyramid(
    folder: LargeImageFolder, form: str, pixel_size_um: tuple[float, float] | None
) -> tuple[Path, list[Any], float]:
    """Build the finished file or folder, in the form `tiff` or `zarr`, from the complete chunks of a hidden folder.

    Returns its path inside the hidden folder, the levels of the mask, and its foreground fraction in [0, 1]; a DataError if
    it cannot be written.
    """
    finished = folder.image if form == "zarr" else folder.path / "mask.ome.tif"
    levels, foreground = _build(folder.image, finished, folder.name, pixel_size_um)
    return finished, levels, foreground / (levels[0].shape[0] * levels[0].shape[1])


def build_cell_pyramid(
    folder: LargeImageFolder, form: str, pixel_size_um: tuple[float, float] | None, count: int
) -> Path | None:
    """Build the pyramid of the complete label image of so many cells, after that of the mask.

    Returns the path of its TIFF inside the hidden folder, uint16 if the ids fit; None for OME-Zarr, where the label image is
    a part of the mask's, and uint32 since it is written before the cells are counted.
    A DataError if it cannot be written.
    """
    finished = folder.cells if form == "zarr" else folder.path / "cells.ome.tif"
    _build(folder.cells, finished, "cells", pixel_size_um, label_type(count))
    if form != "zarr":
        return finished
    describe_label(folder.image)
    return None


def _build(
    image: Path, finished: Path, name: str, pixel_size_um: tuple[float, float] | None, dtype: Any = np.uint8
) -> tuple[list[Any], int]:
    """Build a pyramid, a TIFF with pixels of a type; its levels, and the number of foreground pixels of the first one."""
    levels = create_levels(image)
    builder = PyramidBuilder(levels, has_tiles=finished != image, dtype=dtype)
    if finished == image:
        builder.run()
        describe_pyramid(image, name, pixel_size_um)
    else:
        write_bigtiff(finished, [level.shape for level in levels], builder.tiles, pixel_size_um, dtype)
    return levels, builder.foreground


def list_level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """(Y, X) of every level, halved until no edge exceeds 1024 pixels."""
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def create_levels(folder: Path) -> list[Any]:
    """The levels of an OME-Zarr image, largest first: the complete level 0, and new empty smaller ones."""
    whole = open_level(folder, 0)
    with large_image_errors(folder):
        shapes = list_level_shapes(whole.shape)[1:]
        return [
            whole,
            *(open_level(folder, number, shape, whole.dtype.type) for number, shape in enumerate(shapes, start=1)),
        ]


def survey_mask(mask: Any, step: int) -> tuple[float, Pixels]:
    """The foreground fraction in [0, 1] of a mask (Y, X), foreground `> 0`, and every n-th of its rows and columns.

    The mask is read by slices; the step is a power of 2, at most `CHUNK`.
    """
    height, width = mask.shape
    foreground, reduced = 0, []
    for top in range(0, height, CHUNK):
        part = np.asarray(mask[top : top + CHUNK])
        foreground += int(np.count_nonzero(part))
        reduced.append(part[::step, ::step].copy())
    return foreground / (height * width), np.concatenate(reduced)


class PyramidBuilder:
    """Reads the levels of a mask, largest first, each chunk once: counts foreground, fills the next level, encodes tiles.

    Of the levels (Y, X), uint8 for a mask, only the first is complete. Tiles have pixels of `dtype`; without `has_tiles`
    they are empty.
    """

    def __init__(self, levels: Sequence[Any], has_tiles: bool = True, dtype: Any = np.uint8) -> None:
        self.levels, self.has_tiles, self.dtype = levels, has_tiles, dtype
        self.foreground = 0  #: pixels of the first level

    def tiles(self, number: int) -> Iterator[bytes]:
        """The encoded tiles of a level, row by row, after the previous level; a DataError if the next cannot be written."""
        height, width = self.levels[number].shape
        places = deque((top, left) for top in range(0, height, CHUNK) for left in range(0, width, CHUNK))
        pending: deque[tuple[int, int, Future[Processed]]] = deque()
        smaller = self.levels[number + 1 : number + 2]
        with (
            ChunkWriter(smaller[0]) if smaller else nullcontext() as writer,
            ThreadPoolExecutor(max_workers=THREADS) as threads,
        ):
            while places or pending:
                while places and len(pending) <= THREADS:
                    place = places.popleft()
                    pending.append((*place, threads.submit(self._process, number, *place)))
                top, left, future = pending.popleft()
                foreground, tile, half = future.result()
                self.foreground += foreground
                if writer is not None:
                    writer.add(top // 2, left // 2, half)
                if places or pending:
                    yield tile
        yield tile  # after the next level is complete: a caller that counts tiles stops here

    def run(self) -> None:
        """Fill all levels without tiles."""
        for number in range(len(self.levels)):
            deque(self.tiles(number), maxlen=0)

    def _process(self, number: int, top: int, left: int) -> Processed:
        chunk: Pixels = self.levels[number][top : top + CHUNK, left : left + CHUNK]
        foreground = int(np.count_nonzero(chunk)) if number == 0 else 0
        tile = encode_tile(chunk.astype(self.dtype, copy=False)) if self.has_tiles else b""
        return foreground, tile, chunk[::2, ::2].copy()


def encode_tile(chunk: Pixels) -> bytes:
    """The bytes in a TIFF of a chunk (Y, X), padded with background to a whole tile."""
    tile = np.pad(chunk, [(0, CHUNK - edge) for edge in chunk.shape])
    # run lengths are smaller and faster for masks; the bytes of an id repeat every two or four, which full deflate finds
    strategy = zlib.Z_RLE if tile.itemsize == 1 else zlib.Z_DEFAULT_STRATEGY
    deflate = zlib.compressobj(1, strategy=strategy)
    return deflate.compress(tile.tobytes()) + deflate.flush()


def write_bigtiff(
    path: Path,
    shapes: Sequence[tuple[int, int]],
    tiles: Callable[[int], Iterator[bytes]],
    pixel_size_um: tuple[float, float] | None,
    dtype: Any = np.uint8,
) -> None:
    """Write a mask or a label image as one OME-TIFF, atomically; the smaller levels are sub-IFDs, as QuPath and Fiji expect.

    `tiles` is called level by level, largest first, and returns tiles as `PyramidBuilder.tiles`. A DataError if the file
    cannot be written.
    """
    metadata: dict[str, Any] = {"axes": "YX"}
    if pixel_size_um is not None:
        y, x = pixel_size_um
        metadata |= {"PhysicalSizeY": y, "PhysicalSizeYUnit": "µm", "PhysicalSizeX": x, "PhysicalSizeXUnit": "µm"}
    compression = tifffile.COMPRESSION.ADOBE_DEFLATE
    shared: dict[str, Any] = {"photometric": "minisblack", "dtype": dtype, "compression": compression}
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as tif:
        for level, shape in enumerate(shapes):
            size = None if pixel_size_um is None else (pixel_size_um[0] * 2**level, pixel_size_um[1] * 2**level)
            own = {"subfiletype": 1} if level else {"subifds": len(shapes) - 1, "metadata": metadata}
            tif.write(tiles(level), shape=shape, tile=(CHUNK, CHUNK), **shared, **resolution_tags(size), **own)


def describe_pyramid(folder: Path, name: str, pixel_size_um: tuple[float, float] | None) -> None:
    """Write the metadata of an OME-Zarr image; a DataError if they cannot be written.

    Levels differ only in scale: their first pixels have the same origin.
    """
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # raised by the import itself
        from ome_zarr.format import FormatV05
        from ome_zarr.writer import write_multiscales_metadata

    y, x = pixel_size_um or (1.0, 1.0)
    datasets = [
        {"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": [y * 2**number, x * 2**number]}]}
        for number in range(len(list_level_shapes(open_level(folder, 0).shape)))
    ]
    units = None if pixel_size_um is None else {"y": "micrometer", "x": "micrometer"}
    options: dict[str, Any] = {"fmt": FormatV05(), "axes": ["y", "x"], "axes_units": units, "name": name}
    with large_image_errors(folder):
        write_multiscales_metadata(zarr.open_group(str(folder), mode="a"), datasets, **options)


def describe_label(folder: Path) -> None:
    """Write the metadata of the label image `cells` of an OME-Zarr image; a DataError if they cannot be written."""
    import zarr
    from ome_zarr.format import FormatV05
    from ome_zarr.writer import write_label_metadata

    with large_image_errors(folder):
        group = zarr.open_group(str(folder / "labels"), mode="a")
        write_label_metadata(group, "cells", fmt=FormatV05())
