"""A complete mask as tiled BigTIFF with its pyramid, written tile by tile."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.plane_files import resolution_tags
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels


def encode_tile(tile: Pixels) -> bytes:
    """The bytes of a tile (Y, X) uint8 in the file."""
    deflate = zlib.compressobj(1, strategy=zlib.Z_RLE)  # for masks, run lengths are smaller and faster than full deflate
    return deflate.compress(tile.tobytes()) + deflate.flush()


def write_bigtiff(
    path: Path,
    shapes: Sequence[tuple[int, int]],
    tiles: Callable[[int], Iterator[bytes]],
    pixel_size_um: tuple[float, float] | None,
) -> None:
    """Write a mask as one OME-TIFF, atomically; the smaller levels are sub-IFDs, as QuPath and Fiji expect.

    Args:
        path: ends in .ome.tif.
        shapes: (Y, X) of the levels, largest first.
        tiles: returns the tiles of a level, row by row, encoded by `encode_tile`; called level by level.
        pixel_size_um: (Y, X); None if unknown.

    Raises:
        DataError: the file cannot be written.
    """
    metadata: dict[str, Any] = {"axes": "YX"}
    if pixel_size_um is not None:
        y, x = pixel_size_um
        metadata |= {"PhysicalSizeY": y, "PhysicalSizeYUnit": "µm", "PhysicalSizeX": x, "PhysicalSizeXUnit": "µm"}
    compression = tifffile.COMPRESSION.ADOBE_DEFLATE
    shared: dict[str, Any] = {"photometric": "minisblack", "dtype": np.uint8, "compression": compression}
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as tif:
        for level, shape in enumerate(shapes):
            size = None if pixel_size_um is None else (pixel_size_um[0] * 2**level, pixel_size_um[1] * 2**level)
            own = {"subfiletype": 1} if level else {"subifds": len(shapes) - 1, "metadata": metadata}
            tif.write(tiles(level), shape=shape, tile=(CHUNK, CHUNK), **shared, **resolution_tags(size), **own)
