"""The levels of a mask as OME-Zarr, and their metadata."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.outputs.large.chunks import CHUNK, large_image_errors

SMALLEST = 1024  # maximum edge of the last level


def list_level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """(Y, X) of every level, halved until no edge exceeds 1024 pixels."""
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def open_group(folder: Path) -> Any:
    """The Zarr group of a folder, created if needed."""
    import zarr

    return zarr.open_group(str(folder), mode="a", zarr_format=3)


def open_level(folder: Path, level: int, shape: tuple[int, int] | None = None) -> Any:
    """The array of a level. Chunks of background are written too: a chunk that is not on disk was not predicted.

    Args:
        folder: the OME-Zarr group.
        level: 0 for the full size.
        shape: (Y, X) to create an empty array; None to open the existing one.
    """
    import zarr

    group = open_group(folder)
    with zarr.config.set({"array.write_empty_chunks": True}):
        if shape is None:
            return group[str(level)]
        return group.create_array(
            str(level), shape=shape, chunks=(CHUNK, CHUNK), dtype=np.uint8, dimension_names=["y", "x"], overwrite=True
        )


def create_levels(folder: Path) -> list[Any]:
    """The levels of an OME-Zarr image, largest first: the complete level 0, and new empty smaller ones.

    Raises:
        DataError: they cannot be written.
    """
    whole = open_level(folder, 0)
    with large_image_errors(folder):
        shapes = list_level_shapes(whole.shape)[1:]
        return [whole, *(open_level(folder, number, shape) for number, shape in enumerate(shapes, start=1))]


def describe_pyramid(folder: Path, name: str, pixel_size_um: tuple[float, float] | None) -> None:
    """Write the metadata of an OME-Zarr image. Levels differ in scale alone: their first pixels have the same origin.

    Args:
        folder: the OME-Zarr group.
        name: name of the image.
        pixel_size_um: (Y, X); None if unknown.

    Raises:
        DataError: it cannot be written.
    """
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
        write_multiscales_metadata(open_group(folder), datasets, **options)
