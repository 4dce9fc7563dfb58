"""The grey values and ids that the stored values of a TIFF stand for."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.data.checks.colour import look_up, merge_samples
from livecell_monai.sample import Pixels


def stored_to_grey(
    path: Path | str, samples: Pixels, tif: Any, page: Any, is_label: bool = False, origin: tuple[int, int] = (0, 0)
) -> Pixels:
    """Values (Y, X) that increase with brightness, of samples (S, Y, X); of bilevel images 0 and 1 as uint8.

    A label keeps its ids: the indices of a coloured palette, and the values of a file whose zero means white if they have
    more than 8 bits, tifffile wrote them, or only they have a background of 0. `origin` is the place (Y, X) in the image of
    the first pixel.

    Raises:
        DataError: a pixel is coloured or not opaque.
    """
    pixels: Pixels = samples[0]
    if len(samples) > 1:
        opaque = 1.0 if pixels.dtype.kind == "f" else 2 ** int(page.bitspersample) - 1
        pixels = merge_samples(path, samples, opaque, origin)
    is_bilevel = pixels.dtype == bool
    if is_bilevel:
        pixels = pixels.astype(np.uint8)
    if tif.is_imagej:  # its palettes and MINISWHITE (an inverting look-up table) change only the display
        return pixels
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        return look_up(path, pixels, palette_of(page), is_label, origin)
    if page.tags.valueof(262) != tifffile.PHOTOMETRIC.MINISWHITE or pixels.dtype.kind != "u":
        return pixels
    if (is_bilevel or is_label) and (pixels.itemsize > 1 or _is_by_tifffile(tif)):  # which writes values as they are
        return pixels
    inverted: Pixels = pixels.dtype.type(2**page.bitspersample - 1) - pixels
    return pixels if is_label and pixels.min() == 0 < inverted.min() else inverted


def palette_of(page: Any) -> Pixels:
    """The colours (N, 3) of a page's palette, uint8 if they have 8 bits."""
    colours = np.asarray(page.colormap, np.uint16).T
    high = colours >> 8
    if not high.any():  # written by mistake as 8 bit
        return colours.astype(np.uint8)
    return high.astype(np.uint8) if ((colours == high * 257) | (colours == high << 8)).all() else colours


def _is_by_tifffile(tif: Any) -> bool:
    page = tif.pages.first
    software = str(page.tags.valueof(305, default=""))
    return software.startswith("tifffile") or page.is_shaped or 'Creator="tifffile' in page.description
