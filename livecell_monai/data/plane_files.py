"""Writes planes (Y, X) as deflated TIFF, with their pixel size (Y, X) in µm, which Fiji shows; None if unknown."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

_UM_PER_CM = 1e4
LEVEL = 3  #: of deflate: masks and label images take 40 % of the time of level 6, and up to twice the bytes
_IMAGEJ = "ImageJ=1.11a\nimages=1\nunit=um\n"  # description of a TIFF whose resolution is in pixels per µm
MOST_16_BIT = int(np.iinfo(np.uint16).max)  #: the greatest id in a label image of 16 bits
PixelSize = tuple[float, float] | None


def label_type(most: int) -> type[np.unsignedinteger[Any]]:
    """The type of a label image whose ids are at most this: uint16, above 65,535 uint32."""
    return np.uint16 if most <= MOST_16_BIT else np.uint32


def write_mask(path: Path, mask: Pixels, pixel_size_um: PixelSize) -> None:
    """Write a foreground mask (Y, X) bool as 8 bit TIFF, 0 and 255."""
    write_plane(path, mask_pixels(mask), pixel_size_um)


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
    """Write one plane (Y, X) in its own type: label, image, probability, border weight.

    The path ends in .tif and is written atomically. It is always compressed: NumPy writes uncompressed pixels, and does not
    notice if the last bytes are not written. Floats have no predictor: ImageJ ignores that of floats, and
    shows other values.
    """
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": LEVEL},
            metadata=None,  # so that a name in .ome.tif does not make an OME-TIFF of it
            **_imagej_tags(pixel_size_um),
        )


def _imagej_tags(pixel_size_um: PixelSize) -> dict[str, Any]:
    """Tifffile's arguments for a pixel size (Y, X) in µm as ImageJ and Fiji state it; empty if it is unknown.

    Not by tifffile's `imagej=True`, which refuses the uint32 of label images.
    """
    if pixel_size_um is None:
        return {}
    y, x = pixel_size_um
    # ImageJ reads the tags in this unit only if they name none themselves
    return {"description": _IMAGEJ, "resolution": (1 / x, 1 / y), "resolutionunit": "NONE"}
