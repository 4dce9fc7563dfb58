"""Small files of one plane in every format that has one, as others write them."""

import gzip
import io

import nibabel
import numpy as np
import tifffile
from PIL import Image

RAMP = np.arange(40 * 36, dtype=np.uint16).reshape(40, 36)  # no two pixels alike, no two axes alike
GREY = RAMP.astype(np.uint8)


def picture_bytes(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def nifti(pixels, zooms=(), unit=None, kind=nibabel.Nifti1Image):
    """An image of an array (X, Y, ...)."""
    image = kind(pixels, np.eye(4))
    image.header.set_zooms((*zooms, *(1.0,) * (pixels.ndim - len(zooms))))
    if unit:
        image.header.set_xyzt_units(unit)
    return image


def file_of(tmp_path, suffix, pixels=GREY):
    """A file of these pixels (Y, X), in the format of its suffix."""
    path = tmp_path / f"cell{suffix}"
    suffix = suffix.lower()
    if suffix.endswith((".tif", ".tiff")):
        tifffile.imwrite(path, pixels)
    elif suffix.startswith(".nii"):
        data = nifti(pixels.T).to_bytes()
        path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    else:
        Image.fromarray(pixels).save(path)
    return path


def with_value(value, dtype=np.float32):
    pixels = RAMP.astype(dtype)
    pixels[3, 7] = value
    return pixels
