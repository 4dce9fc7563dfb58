"""Cuts out part of an annotated image into new files, as if less had been annotated."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from livecell_monai.data.plane_files import write_plane
from livecell_monai.data.readers.kinds import read_border, read_image, read_label
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import make_folder
from livecell_monai.sample import Pixels, Region, Sample

TRIES = 100


def crop_sample(sample: Sample, share: float, folder: Path, rng: np.random.Generator) -> Sample:
    """Write a rectangle of an annotated sample as TIFF files into `images`, `labels` and `borders` of a folder.

    The rectangle has the proportions of the image, covers the fraction `share` of its area, in (0, 1], and holds foreground
    and background; `rng` draws its place.

    Raises:
        DataError: no such rectangle was found, or a file cannot be read.
    """
    assert sample.label is not None
    label = read_label(sample.label)
    region = _draw_region(label, share, rng)
    if region is None:
        raise DataError(
            f"{sample.image}: a rectangle of {share:.1%} of the area must hold cells and background, found none; leave the "
            "image out or set larger shares"
        )

    def write(kind: str, pixels: Pixels) -> Path:
        path = make_folder(folder / kind) / f"{sample.name}.tif"
        write_plane(path, region.crop(pixels))
        return path

    return replace(
        sample,
        image=write("images", read_image(sample.image).pixels),
        label=write("labels", label),
        border=None if sample.border is None else write("borders", read_border(sample.border)),
    )


def _draw_region(label: Pixels, share: float, rng: np.random.Generator) -> Region | None:
    height, width = (max(1, round(side * share**0.5)) for side in label.shape)
    for _ in range(TRIES):
        top, left = int(rng.integers(label.shape[0] - height + 1)), int(rng.integers(label.shape[1] - width + 1))
        region = Region(top, left, top + height, left + width)
        if 0 < np.count_nonzero(region.crop(label)) < height * width:
            return region
    return None
