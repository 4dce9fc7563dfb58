"""Part of an annotated image, in files of its own: as if less had been annotated."""

from collections.abc import Callable
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
    """A rectangle of a sample, as TIFF files in `images`, `labels` and `borders` of a folder.

    Args:
        sample: with a label.
        share: of the area, above 0 and at most 1; the rectangle has the proportions of the image.
        folder: where the files go.
        rng: draws the place; both foreground and background lie in it.

    Raises:
        DataError: where no such rectangle with both classes was found, or a file cannot be read.
    """
    if sample.label is None:
        raise DataError(f"{sample.image}: a sample to learn from must have a label, got none; add it")
    label = read_label(sample.label)
    region = _draw_region(label, share, rng)
    if region is None:
        raise DataError(
            f"{sample.image}: a rectangle of {share:.1%} of the area must hold cells and background, none was found; leave "
            "the image out or ask for larger shares"
        )
    parts: dict[str, tuple[Path, Callable[[Path], Pixels]]] = {
        "images": (sample.image, lambda path: read_image(path).pixels),
        "labels": (sample.label, read_label),
    }
    if sample.border is not None:
        parts["borders"] = (sample.border, read_border)
    written = {
        kind: _write_part(folder / kind, sample.name, region.crop(read(path))) for kind, (path, read) in parts.items()
    }
    return replace(sample, image=written["images"], label=written["labels"], border=written.get("borders"))


def _draw_region(label: Pixels, share: float, rng: np.random.Generator) -> Region | None:
    height, width = (max(1, round(side * share**0.5)) for side in label.shape)
    for _ in range(TRIES):
        top, left = int(rng.integers(label.shape[0] - height + 1)), int(rng.integers(label.shape[1] - width + 1))
        region = Region(top, left, top + height, left + width)
        if 0 < np.count_nonzero(region.crop(label)) < height * width:
            return region
    return None


def _write_part(folder: Path, name: str, pixels: Pixels) -> Path:
    make_folder(folder)
    path = folder / f"{name}.tif"
    write_plane(path, pixels)
    return path
