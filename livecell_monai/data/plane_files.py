"""Planes (Y, X) onto disk as TIFF: masks, probabilities, labels, images, border weights, with their pixel size."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike

from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

_UM_PER_CM = 1e4
_FLOATING_POINT = 3  # TIFF's predictor for floats: sorts their bytes so that they compress


def write_mask(path: Path, mask: Pixels, pixel_size_um: tuple[float, float] | None) -> None:
    """Write a foreground mask as 8 bit TIFF, 0 and 255.

    Args:
        path: ends in .tif.
        mask: (Y, X) bool.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(mask, np.bool_)
    write_plane(path, mask_pixels(mask), pixel_size_um)


def write_probability(path: Path, probability: Pixels, pixel_size_um: tuple[float, float] | None) -> None:
    """Write a probability of foreground as 32 bit float TIFF.

    Args:
        path: ends in .tif.
        probability: (Y, X) float32 in [0, 1].
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(probability, np.float32)
    write_plane(path, probability, pixel_size_um)


def write_label(path: Path, ids: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write a label as 16 bit TIFF.

    Args:
        path: ends in .tif.
        ids: (Y, X) uint16, 0 background, > 0 foreground.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(ids, np.uint16)
    write_plane(path, ids, pixel_size_um)


def write_image(path: Path, image: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write a grey image as 16 bit TIFF.

    Args:
        path: ends in .tif.
        image: (Y, X) uint16.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(image, np.uint16)
    write_plane(path, image, pixel_size_um)


def write_border(path: Path, weights: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write a weight per pixel as 32 bit float TIFF.

    Args:
        path: ends in .tif.
        weights: (Y, X) float32, finite and >= 0.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(weights, np.float32)
    write_plane(path, weights, pixel_size_um)


def mask_pixels(mask: Pixels) -> Pixels:
    """A mask (Y, X) bool as its file holds it, uint8 0 and 255."""
    return mask.astype(np.uint8) * np.uint8(255)


def resolution_tags(pixel_size_um: tuple[float, float] | None) -> dict[str, Any]:
    """The size (Y, X) of a pixel as tifffile takes it, in pixels per centimetre; nothing where it is unknown."""
    if pixel_size_um is None:
        return {}
    y, x = pixel_size_um
    return {"resolution": (_UM_PER_CM / x, _UM_PER_CM / y), "resolutionunit": "CENTIMETER"}


def _require_plane_of(pixels: Pixels, dtype: DTypeLike) -> None:
    """Refuse what a cast would change in silence (ids above 65535, fractions); the caller's fault, hence ValueError."""
    if pixels.ndim != 2 or pixels.dtype != dtype:
        raise ValueError(f"must be (Y, X) {np.dtype(dtype)}, got {pixels.shape} {pixels.dtype}")


def write_plane(path: Path, pixels: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write one plane of any type as deflated TIFF, the pixel size as resolution in pixels per centimetre.

    Never plainly: numpy, which then writes, does not see that the last bytes were refused.

    Args:
        path: ends in .tif.
        pixels: (Y, X).
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            photometric="minisblack",
            compression="zlib",
            predictor=_FLOATING_POINT if pixels.dtype.kind == "f" else None,
            metadata=None,  # the tags tell all; and a name in .ome.tif does not make an OME-TIFF of it
            **resolution_tags(pixel_size_um),
        )
