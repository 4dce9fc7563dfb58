"""The smaller levels of a mask, and the OME-Zarr metadata that tell of them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.outputs.large.chunks import CHUNK, writing_chunks

SMALLEST = 1024  # the last level is no larger


def list_level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """(Y, X) of every level, halved until none is larger than 1024 pixels."""
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def open_group(folder: Path) -> Any:
    """The Zarr group of a folder, made where it is not there."""
    import zarr

    return zarr.open_group(str(folder), mode="a", zarr_format=3)


def open_level(folder: Path, level: int, shape: tuple[int, int] | None = None) -> Any:
    """The array of a level, of which background is written like anything else.

    A chunk that is not on disk is one that has not been predicted, never one without cells.

    Args:
        folder: the OME-Zarr group.
        level: 0 for the full size.
        shape: (Y, X) of an empty one in its place; None for the one that is there.
    """
    import zarr

    group = open_group(folder)
    with zarr.config.set({"array.write_empty_chunks": True}):
        if shape is None:
            return group[str(level)]
        return group.create_array(
            str(level), shape=shape, chunks=(CHUNK, CHUNK), dtype=np.uint8, dimension_names=["y", "x"], overwrite=True
        )


def begin_pyramid(folder: Path) -> list[Any]:
    """The levels of an OME-Zarr image whose level 0 is there, largest first; the smaller ones are empty.

    Each is to take every second row and column of the one below: a mask stays 0 and 255.

    Args:
        folder: the OME-Zarr group.

    Raises:
        DataError: they cannot be written.
    """
    whole = open_level(folder, 0)
    with writing_chunks(folder):
        shapes = list_level_shapes(whole.shape)[1:]
        return [whole, *(open_level(folder, number, shape) for number, shape in enumerate(shapes, start=1))]


def describe_pyramid(folder: Path, name: str, pixel_size_um: tuple[float, float] | None) -> None:
    """Write the metadata of an OME-Zarr image whose levels are there.

    The first pixel of every level lies where that of level 0 does, so that scales alone tell the places.

    Args:
        folder: the OME-Zarr group.
        name: of the image.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: they cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as it is imported, it warns of a class of its own
        from ome_zarr.format import FormatV05
        from ome_zarr.writer import write_multiscales_metadata

    y, x = pixel_size_um or (1.0, 1.0)
    datasets = [
        {"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": [y * 2**number, x * 2**number]}]}
        for number in range(len(list_level_shapes(open_level(folder, 0).shape)))
    ]
    units = {"y": "micrometer", "x": "micrometer"} if pixel_size_um is not None else None
    with writing_chunks(folder):
        write_multiscales_metadata(
            open_group(folder), datasets, fmt=FormatV05(), axes=["y", "x"], axes_units=units, name=name
        )
