"""A finished mask as tiled BigTIFF with its pyramid, tile by tile."""

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

_CODE = tifffile.COMPRESSION.ADOBE_DEFLATE


def encode_tile(tile: Pixels) -> bytes:
    """The bytes that a tile (Y, X) uint8 has in the file."""
    deflate = zlib.compressobj(1, strategy=zlib.Z_RLE)  # of masks, runs are smaller and faster than what repeats elsewhere
    return deflate.compress(tile.tobytes()) + deflate.flush()


def write_bigtiff(
    path: Path,
    shapes: Sequence[tuple[int, int]],
    tiles: Callable[[int], Iterator[bytes]],
    pixel_size_um: tuple[float, float] | None,
) -> None:
    """Write the levels of a mask as one OME-TIFF: the full size, the smaller ones below it as QuPath and Fiji look for them.

    Args:
        path: ends in .ome.tif; it has the name when it is whole.
        shapes: (Y, X) of the levels, largest first.
        tiles: gives those of a level, row by row, each encoded by `encode_tile`; asked level by level.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    metadata: dict[str, Any] = {"axes": "YX"}
    if pixel_size_um is not None:
        y, x = pixel_size_um
        metadata |= {"PhysicalSizeY": y, "PhysicalSizeYUnit": "µm", "PhysicalSizeX": x, "PhysicalSizeXUnit": "µm"}
    shared: dict[str, Any] = {"tile": (CHUNK, CHUNK), "photometric": "minisblack", "dtype": np.uint8, "compression": _CODE}
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as tif:
        for number, shape in enumerate(shapes):
            size = None if pixel_size_um is None else (pixel_size_um[0] * 2**number, pixel_size_um[1] * 2**number)
            where = {"subfiletype": 1} if number else {"subifds": len(shapes) - 1, "metadata": metadata}
            tif.write(tiles(number), shape=shape, **shared, **resolution_tags(size), **where)
