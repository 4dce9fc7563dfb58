"""Predictions by the shipped start, which has learned nothing from the images: the size of their cells is estimated."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livecell_monai.bundle.ensemble import note_study
from livecell_monai.bundle.start import read_expected_diameter
from livecell_monai.cells.decode import Labels, decode
from livecell_monai.cells.decoder import DISTANCE
from livecell_monai.cells.height import quantise
from livecell_monai.data.dataset.items import Item
from livecell_monai.errors import LiveCellError, SettingError
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.plan import plan_zero_shot
from livecell_monai.prediction.cell_size import estimate_diameter
from livecell_monai.prediction.prepared import ImageInMemory, without_metadata
from livecell_monai.prediction.sample_predictions import measure_map_ranges
from livecell_monai.prediction.segmenter import ImageLike, Segmenter, open_segmenter
from livecell_monai.sample import IMAGE, Pixels

MOST_IMAGES = 5  # that are measured, spread evenly over all
DIFFERENT = 1.6  # largest ratio of the sizes of cells in images that one scale suits
FOUND_ITSELF = ("scale", "cell_diameter", "seed_depth", "min_cell_area")
LOGGER = logging.getLogger(__name__)
NOTE = "note: the start has learned nothing from these images; look at the masks, or annotate a few images and train"
UNSEEN = "note: the start was trained on drawn images, not on yours; look at its masks on a few of your images first"
ASSUMED = "note: cells are taken as %.0f px across; if yours have another size, give --diameter PX"


def fit_settings(
    bundle: str | Path, settings: Mapping[str, Any] | None, images: Sequence[ImageLike | Item] = ()
) -> dict[str, Any]:
    """The settings of a prediction; for the shipped start, with the scale for the cells of some images.

    Their diameter is the setting `cell_diameter` if it is given, else it is estimated, from images that fit into memory. A
    given `scale` is kept. Without images and a diameter, cells of the size that the start expects are assumed. What is
    assumed is logged, for users of the command line too. For a trained bundle nothing changes.
    """
    given = dict(settings or {})
    expected = read_expected_diameter(bundle)
    if expected is None:
        return given
    LOGGER.warning("%s", NOTE if images else UNSEEN)
    if not images and not {"scale", "cell_diameter"} & given.keys():
        LOGGER.warning(ASSUMED, expected)
    if "scale" not in given:
        given = plan_zero_shot(given.get("cell_diameter") or _estimate(bundle, given, images, expected), expected) | given
    if given.get("backend") == "int8":
        _note_ranges(Path(bundle), given, images)
    return given


def check_diameter(bundle: str | Path) -> None:
    """Raise a SettingError if a bundle was trained: its scale is that of its training."""
    if read_expected_diameter(bundle) is None:
        raise SettingError(
            f"--diameter must be left out for {bundle}, which was trained on cells of one size; use it with the bundle start"
        )


def _estimate(bundle: str | Path, given: Mapping[str, Any], images: Sequence[ImageLike | Item], expected: float) -> float:
    """The median over some images of the diameter in px of their cells; the expected one if no cell is found."""
    own = {name: value for name, value in given.items() if name not in (*FOUND_ITSELF, "backend")}
    segmenter = open_segmenter(bundle, {**own, "tta_views": 1})
    measured = [_measure(segmenter, image, expected) for image in _spread(images)]
    found = [diameter for diameter in measured if diameter]
    if not found:
        if 0 in measured:
            LOGGER.warning("note: no cell was found to estimate their size by; if there are some, give --diameter PX")
        return expected
    diameter, low, high = (float(of(found)) for of in (np.median, min, max))
    LOGGER.warning(
        "note: cells are taken as %.0f px across, estimated from %d of %d images (%.0f to %.0f px)%s",
        *(diameter, len(found), len(images), low, high),
        "; they differ: predict groups apart, each with its --diameter PX"
        if high / low > DIFFERENT
        else "; if that is wrong, give --diameter PX",
    )
    return diameter


def _spread(images: Sequence[ImageLike | Item]) -> list[ImageLike | Item]:
    step = max(1.0, len(images) / MOST_IMAGES)
    return [images[int(index * step)] for index in range(min(MOST_IMAGES, len(images)))]


def _measure(segmenter: Segmenter, image: ImageLike | Item, expected: float) -> float | None:
    """The diameter in px of the typical cell of an image; 0 without a cell, None if the image cannot be read."""

    def separate(part: torch.Tensor) -> Labels:
        maps = segmenter.maps_of(ImageInMemory(part))
        mask: Pixels = segmenter.mask_of(maps)[0].numpy()
        distance = quantise(segmenter.name_maps(maps)[DISTANCE])
        return decode(mask, distance, segmenter.decoder.decoding)  # by one rule at all scales

    try:
        prepared = segmenter.prepare(image)
    except LiveCellError:  # is reported when it is predicted
        return None
    return estimate_diameter(without_metadata(prepared[IMAGE]), separate, expected) or 0.0


def _note_ranges(bundle: Path, given: Mapping[str, Any], images: Sequence[ImageLike | Item]) -> None:
    """Note the ranges of the maps of these images in the bundle, which the backend int8 needs."""
    segmenter = open_segmenter(bundle, {**given, "backend": "torch"})
    items = [dict(image) for image in images if isinstance(image, Mapping)]
    note_study(bundle, {RANGES: measure_map_ranges(segmenter, items)}, "")
