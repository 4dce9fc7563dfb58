"""A finished mask as tiled BigTIFF with its pyramid, tile by tile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.mosaics.chunks import CHUNK
from livecell_monai.data.writing import atomic_path, resolution_tags
from livecell_monai.sample import Pixels


def write_bigtiff(path: Path, levels: Sequence[Any], pixel_size_um: tuple[float, float] | None) -> None:
    """Write the levels of a mask as one OME-TIFF: the full size, the smaller ones below it as QuPath and Fiji look for them.

    Args:
        path: ends in .ome.tif; it has the name when it is whole.
        levels: arrays (Y, X) uint8, largest first, chunked.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    metadata: dict[str, Any] = {"axes": "YX"}
    if pixel_size_um is not None:
        y, x = pixel_size_um
        metadata |= {"PhysicalSizeY": y, "PhysicalSizeYUnit": "µm", "PhysicalSizeX": x, "PhysicalSizeXUnit": "µm"}
    shared: dict[str, Any] = {"tile": (CHUNK, CHUNK), "photometric": "minisblack", "dtype": np.uint8}
    shared |= {"compression": "zlib", "compressionargs": {"level": 1}}  # of masks, higher levels are slower and no smaller
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as tif:
        for number, level in enumerate(levels):
            size = None if pixel_size_um is None else (pixel_size_um[0] * 2**number, pixel_size_um[1] * 2**number)
            where = {"subfiletype": 1} if number else {"subifds": len(levels) - 1, "metadata": metadata}
            tif.write(_tiles(level), shape=level.shape, **shared, **resolution_tags(size), **where)


def _tiles(level: Any) -> Iterator[Pixels]:
    """The tiles of an array, row by row, those at its end filled up with background."""
    height, width = level.shape
    for top in range(0, height, CHUNK):
        for left in range(0, width, CHUNK):
            part = level[top : top + CHUNK, left : left + CHUNK]
            if part.shape == (CHUNK, CHUNK):
                yield part
            else:
                yield np.pad(part, [(0, CHUNK - edge) for edge in part.shape])
