"""Writes planes (Y, X) as deflated TIFF: masks, probabilities, labels, images, border weights, with their pixel size.

Every writer takes a path that ends in .tif and the (Y, X) size of a pixel in µm, None if unknown. It raises a DataError if
the file cannot be written, and a ValueError for another shape or type: a cast would silently change ids above 65535.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike

from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

_UM_PER_CM = 1e4
_FLOATING_POINT = 3  # TIFF's predictor for floats: sorts their bytes so that they compress
PixelSize = tuple[float, float] | None


def write_mask(path: Path, mask: Pixels, pixel_size_um: PixelSize) -> None:
    """Write a foreground mask (Y, X) bool as 8 bit TIFF, 0 and 255."""
    _check_plane(mask, np.bool_)
    write_plane(path, mask_pixels(mask), pixel_size_um)


def write_probability(path: Path, probability: Pixels, pixel_size_um: PixelSize) -> None:
    """Write the probability of foreground (Y, X) float32 in [0, 1] as 32 bit float TIFF."""
    _check_plane(probability, np.float32)
    write_plane(path, probability, pixel_size_um)


def write_label(path: Path, ids: Pixels, pixel_size_um: PixelSize = None) -> None:
    """Write a label (Y, X) uint16, 0 background, > 0 foreground, as 16 bit TIFF."""
    _check_plane(ids, np.uint16)
    write_plane(path, ids, pixel_size_um)


def write_image(path: Path, image: Pixels, pixel_size_um: PixelSize = None) -> None:
    """Write a grey image (Y, X) uint16 as 16 bit TIFF."""
    _check_plane(image, np.uint16)
    write_plane(path, image, pixel_size_um)


def write_border(path: Path, weights: Pixels, pixel_size_um: PixelSize = None) -> None:
    """Write a weight per pixel (Y, X) float32, finite and >= 0, as 32 bit float TIFF."""
    _check_plane(weights, np.float32)
    write_plane(path, weights, pixel_size_um)


def mask_pixels(mask: Pixels) -> Pixels:
    """A mask (Y, X) bool as stored, uint8 0 and 255."""
    return mask.astype(np.uint8) * np.uint8(255)


def resolution_tags(pixel_size_um: PixelSize) -> dict[str, Any]:
    """Tifffile's arguments for a pixel size (Y, X) in µm, in pixels per centimetre; empty if it is unknown."""
    if pixel_size_um is None:
        return {}
    y, x = pixel_size_um
    return {"resolution": (_UM_PER_CM / x, _UM_PER_CM / y), "resolutionunit": "CENTIMETER"}


def write_plane(path: Path, pixels: Pixels, pixel_size_um: PixelSize = None) -> None:
    """Write one plane (Y, X) of any type.

    It is always compressed: NumPy writes uncompressed pixels, and does not notice if the last bytes are not written.
    """
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            photometric="minisblack",
            compression="zlib",
            predictor=_FLOATING_POINT if pixels.dtype.kind == "f" else None,
            metadata=None,  # so that a name in .ome.tif does not make an OME-TIFF of it
            **resolution_tags(pixel_size_um),
        )


def _check_plane(pixels: Pixels, dtype: DTypeLike) -> None:
    if pixels.ndim != 2 or pixels.dtype != dtype:
        raise ValueError(f"must be (Y, X) {np.dtype(dtype)}, got {pixels.shape} {pixels.dtype}")
