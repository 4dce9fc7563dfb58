"""Predictions by the shipped start, which has learned nothing from the images: the size of their cells is estimated."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

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
from livecell_monai.runs.progress import counting
from livecell_monai.sample import IMAGE, Pixels
from livecell_monai.settings import check_setting
from livecell_monai.transforms.scale import find_key

T = TypeVar("T")
MOST_IMAGES = 200  # that are measured, spread evenly over all
MOST_FRAMES = 5  # of a movie, which has one scale, and of arrays
FOUND_ITSELF = ("scale", "cell_diameter", "seed_depth", "min_cell_area", "own_settings")
LOGGER = logging.getLogger(__name__)
NOTE = "note: the start has learned nothing from these images; look at the masks, or annotate a few images and train"
UNSEEN = "note: the start was trained on drawn images, not on yours; look at its masks on a few of your images first"
ESTIMATED = (
    "note: cells are taken as %.0f px across, estimated in %d of %d images (%.0f to %.0f px%s); if that is wrong, "
    "give --diameter PX"
)
ASSUMED = "note: cells are taken as %.0f px across; if yours have another size, give --diameter PX"


def fit_settings(
    bundle: str | Path, settings: Mapping[str, Any] | None, images: Sequence[ImageLike | Item] = ()
) -> dict[str, Any]:
    """The settings of a prediction; for the shipped start, with the scale for the cells of the images.

    Their diameter is the setting `cell_diameter` if it is given, else it is estimated in each file that fits into memory:
    `own_settings` has its scale and sizes. Those of the median are for arrays, large images and what was not measured. Given
    settings are kept, those of single files too, and with a given `scale` nothing is estimated. Without images and a
    diameter, cells of the size that the start expects are assumed. What is assumed is logged, for users of the command line
    too. For a trained bundle nothing changes.
    """
    given = dict(settings or {})
    expected = read_expected_diameter(bundle)
    if expected is None:
        return given
    LOGGER.warning("%s", NOTE if images else UNSEEN)
    if not images and not {"scale", "cell_diameter"} & given.keys():
        LOGGER.warning(ASSUMED, expected)
    if "cell_diameter" in given and "scale" not in given:
        given = plan_zero_shot(given["cell_diameter"], expected) | given
    elif "scale" not in given:
        given = _fit(_estimate(bundle, given, images, expected), expected, given)
    if given.get("backend") == "int8":
        _note_ranges(Path(bundle), given, images)
    return given


def _fit(diameters: Sequence[tuple[str | None, float]], expected: float, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings for the median of diameters in px, with those of each image that has a path; given ones are kept."""
    median = float(np.median([diameter for _, diameter in diameters])) if diameters else expected
    own = {path: plan_zero_shot(diameter, expected) for path, diameter in diameters if path is not None}
    own = {path: {name: size for name, size in sizes.items() if name not in given} for path, sizes in own.items()}
    for path, sizes in check_setting("own_settings", given.get("own_settings", {})).items():
        own[find_key(path)] = {**own.get(find_key(path), {}), **sizes}
    return {**plan_zero_shot(median, expected), **given, "own_settings": own}


def check_diameter(bundle: str | Path, diameter: float | None) -> None:
    """Raise a SettingError if a diameter in px is given for a bundle that was trained: its scale is that of its training."""
    if diameter is not None and read_expected_diameter(bundle) is None:
        raise SettingError(
            f"--diameter must be left out for {bundle}, which was trained on cells of one size; use it with the bundle start"
        )


def _estimate(
    bundle: str | Path, given: Mapping[str, Any], images: Sequence[ImageLike | Item], expected: float
) -> list[tuple[str | None, float]]:
    """Paths of files and the diameter in px of their cells, None for an array.

    Files in which no cell is found are missing; of many images, of frames and of arrays some are measured.
    """
    given = {name: value for name, value in given.items() if name not in (*FOUND_ITSELF, "backend")}
    segmenter = open_segmenter(bundle, {**given, "tta_views": 1})
    chosen = _choose_images(images)
    measured: dict[str | None, list[float]] = {}
    with counting("measuring cells", "image", len(chosen), bool(chosen) and given.get("show_progress", True)) as advance:
        for path, image in chosen:
            diameter = _measure(segmenter, image, expected)
            measured.setdefault(path, []).extend([] if diameter is None else [diameter])
            advance(1)
    every = [diameter for diameters in measured.values() for diameter in diameters]
    found = [(path, diameter) for path, diameters in measured.items() for diameter in _typical(path, diameters)]
    if any(every):
        middle, low, high = (float(of([diameter for _, diameter in found])) for of in (np.median, min, max))
        each = ", each file at its own scale" if len({path for path, _ in found if path is not None}) > 1 else ""
        LOGGER.warning(ESTIMATED, middle, sum(map(bool, every)), len(images), low, high, each)
    elif every:
        LOGGER.warning("note: no cell was found to estimate their size by; if there are some, give --diameter PX")
    return found


def _choose_images(images: Sequence[ImageLike | Item]) -> list[tuple[str | None, ImageLike | Item]]:
    """The images that are measured, each with the path of its file, None for an array."""
    files: dict[str | None, list[ImageLike | Item]] = {}
    for image in images:
        named = image[IMAGE] if isinstance(image, Mapping) else image
        files.setdefault(None if isinstance(named, np.ndarray) else find_key(named), []).append(image)
    arrays = files.pop(None, [])
    frames = max(1, min(MOST_FRAMES, MOST_IMAGES // max(1, len(files))))
    named = [(path, image) for path in _spread(list(files), MOST_IMAGES) for image in _spread(files[path], frames)]
    return [*named, *((None, image) for image in _spread(arrays, MOST_FRAMES))]


def _typical(path: str | None, diameters: Sequence[float]) -> list[float]:
    """The median diameter of the frames of a file that show cells, or the diameter of each array."""
    found = [diameter for diameter in diameters if diameter]
    return found if path is None or not found else [float(np.median(found))]


def _spread(every: Sequence[T], most: int) -> list[T]:
    step = max(1.0, len(every) / most)
    return [every[int(index * step)] for index in range(min(most, len(every)))]


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
