"""Predictions by the shipped start, which has learned nothing from the images: the size of their cells is estimated."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from livecell_monai.prediction.cell_size import REACH, estimate_diameter
from livecell_monai.prediction.large.selection import read_window
from livecell_monai.prediction.prepared import ImageInMemory, without_metadata
from livecell_monai.prediction.sample_predictions import measure_map_ranges
from livecell_monai.prediction.segmenter import ImageLike, Segmenter, open_segmenter
from livecell_monai.runs.progress import counting
from livecell_monai.sample import IMAGE, OWN, Pixels
from livecell_monai.settings import check_setting, check_values
from livecell_monai.transforms.scale import find_key

T = TypeVar("T")
Measured = ImageLike | Item | Callable[[], Pixels]  #: an image, or a function that reads a window of a large one
MOST_IMAGES = 200  # that are measured, spread evenly over all
PLACES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))  # windows of a large image, in parts of (Y, X)
MOST_FRAMES = 5  # of a movie, which has one scale, and of arrays
FOUND_ITSELF = ("scale", "cell_diameter", "seed_depth", "min_cell_area", OWN)
LOGGER = logging.getLogger(__name__)
NOTE = "note: the start has learned nothing from these images; look at the masks, or annotate a few images and train"
UNSEEN = "note: the start was trained on procedural images, not on yours; look at its masks on a few of your images first"
ESTIMATED = (
    "note: cells are taken as %.0f px across, estimated in %d of %d images (%.0f to %.0f px%s); if that is wrong, "
    "give --diameter PX, in Python the setting cell_diameter"
)
ASSUMED = (
    "note: cells are taken as %.0f px across; if yours have another size, give --diameter PX, in Python the setting "
    "cell_diameter"
)


def fit_settings(
    bundle: str | Path,
    settings: Mapping[str, Any] | None,
    images: Sequence[ImageLike | Item] = (),
    found: Mapping[str, Any] | None = None,
    large: Sequence[Item] = (),
) -> dict[str, Any]:
    """The settings of a prediction; for the shipped start, with the scale for the cells of the images.

    Their diameter is the setting `cell_diameter` if it is given, else it is estimated in each file, in some windows of a
    `large` one: `own_settings` has its scale and sizes. Those of the median are for arrays and what was not measured. Given
    settings are kept, those of single files too. With a given `scale` nothing is estimated: a factor says which size the
    cells have. `found` are the settings that an interrupted run has found: its files are not measured again. Without images
    and a diameter, cells of the size that the start expects are assumed. What is assumed is logged, for users of the command
    line too. For a trained bundle nothing changes.
    """
    given = dict(settings or {})
    expected = read_expected_diameter(bundle)
    if expected is None:
        return given
    check_values(given)  # before anything is computed from them
    LOGGER.warning("%s", NOTE if images or large else UNSEEN)
    if not images and not large and not {"scale", "cell_diameter"} & given.keys():
        LOGGER.warning(ASSUMED, expected)
    if "cell_diameter" in given or "scale" in given:
        given = _complete(given, expected)
    else:
        known = {name: value for name, value in (found or {}).items() if name in FOUND_ITSELF}
        files = _group_by_file(images, large)
        known[OWN] = {path: own for path, own in known.get(OWN, {}).items() if path in files}  # others were removed
        files = {path: planes for path, planes in files.items() if path not in known[OWN]}
        diameters = _estimate(bundle, given, files, expected) if files else {}
        given = _fit(diameters, expected, given, known)
    if given.get("backend") == "int8":
        _note_ranges(Path(bundle), given, [*images, *(window for item in large for window in _list_windows(item))])
    return given


def _complete(given: Mapping[str, Any], expected: float) -> dict[str, Any]:
    """Given settings and those that follow from them: a factor is for cells that have the expected diameter once scaled."""
    scale, diameter = given.get("scale"), given.get("cell_diameter")
    if diameter is None and isinstance(scale, int | float):
        diameter = expected / scale
        LOGGER.warning(ASSUMED, diameter)
    return {**({} if diameter is None else plan_zero_shot(diameter, expected)), **given}


def _fit(
    diameters: Mapping[str | None, Sequence[float]], expected: float, given: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings for the median of diameters in px, with those of each file; given and known ones are kept."""
    every = [diameter for some in diameters.values() for diameter in some]
    sizes = {**plan_zero_shot(float(np.median(every)) if every else expected, expected), **known, **given}
    own = {path: plan_zero_shot(some[0], expected) if some else {} for path, some in diameters.items() if path is not None}
    own = {path: {name: size for name, size in each.items() if name not in given} for path, each in own.items()}
    own = {**known[OWN], **own}
    for path, each in check_setting(OWN, given.get(OWN, {})).items():
        own[find_key(path)] = {**own.get(find_key(path), {}), **each}
    return {**sizes, OWN: own}


def check_diameter(bundle: str | Path, diameter: float | None) -> None:
    """Raise a SettingError if a diameter in px is given for a bundle that was trained: its scale is that of its training."""
    if diameter is not None and read_expected_diameter(bundle) is None:
        raise SettingError(
            f"--diameter must be left out for {bundle}, which was trained on cells of one size; use it with the bundle start"
        )


def _estimate(
    bundle: str | Path, given: Mapping[str, Any], files: Mapping[str | None, Sequence[Measured]], expected: float
) -> dict[str | None, list[float]]:
    """The diameter in px of the cells of each file, none where no cell is found, and those of arrays under None.

    Of many files, of frames and of arrays some are measured.
    """
    given = {name: value for name, value in given.items() if name not in (*FOUND_ITSELF, "backend")}
    segmenter = open_segmenter(bundle, {**given, "tta_views": 1})
    chosen = _choose_images(files)
    measured: dict[str | None, list[float]] = {path: [] for path in files}
    with counting("measuring cells", "image", len(chosen), bool(chosen) and given.get("show_progress", True)) as advance:
        for path, image in chosen:
            diameter = _measure(segmenter, image, expected)
            measured[path].extend([] if diameter is None else [diameter])
            advance(1)
    _announce(measured, files)
    return {path: _typical(path, diameters) for path, diameters in measured.items()}


def _group_by_file(images: Sequence[ImageLike | Item], large: Sequence[Item]) -> dict[str | None, list[Measured]]:
    """The images of each file by its path, windows of a large one, and arrays under None."""
    files: dict[str | None, list[Measured]] = {find_key(item[IMAGE]): _list_windows(item) for item in large}
    for image in images:
        named = image[IMAGE] if isinstance(image, Mapping) else image
        files.setdefault(None if isinstance(named, np.ndarray) else find_key(named), []).append(image)
    return files


def _list_windows(item: Item) -> list[Measured]:
    """Functions that read the windows of a large image."""
    return [partial(read_window, item, place, REACH) for place in PLACES]


def _choose_images(files: Mapping[str | None, Sequence[Measured]]) -> list[tuple[str | None, Measured]]:
    """The images that are measured, each with the path of its file, None for an array."""
    paths = [path for path in files if path is not None]
    frames = max(1, min(MOST_FRAMES, MOST_IMAGES // max(1, len(paths))))
    named = [(path, image) for path in _spread(paths, MOST_IMAGES) for image in _spread(files[path], frames)]
    return [*named, *((None, image) for image in _spread(files.get(None, []), MOST_FRAMES))]


def _typical(path: str | None, diameters: Sequence[float]) -> list[float]:
    """The median diameter of the frames of a file that show cells, or the diameter of each array."""
    found = [diameter for diameter in diameters if diameter]
    return found if path is None or not found else [float(np.median(found))]


def _announce(measured: Mapping[str | None, Sequence[float]], files: Mapping[str | None, Sequence[Measured]]) -> None:
    """Log which size is assumed, and in how many images it was estimated."""
    found = {path: _typical(path, diameters) for path, diameters in measured.items()}
    diameters = [diameter for some in found.values() for diameter in some]
    if diameters:
        middle, low, high = (float(of(diameters)) for of in (np.median, min, max))
        each = ", each file at its own scale" if sum(bool(found[path]) for path in found if path is not None) > 1 else ""
        count = sum(len(images) if path is None else 1 for path, images in files.items())
        LOGGER.warning(ESTIMATED, middle, len(diameters), count, low, high, each)
    elif any(measured.values()):
        LOGGER.warning(
            "note: no cell was found to estimate their size by; if there are some, give --diameter PX, in "
            "Python the setting cell_diameter"
        )


def _spread(every: Sequence[T], most: int) -> list[T]:
    step = max(1.0, len(every) / most)
    return [every[int(index * step)] for index in range(min(most, len(every)))]


def _measure(segmenter: Segmenter, image: Measured, expected: float) -> float | None:
    """The diameter in px of the typical cell of an image; 0 without a cell, None if the image cannot be read."""

    def separate(part: torch.Tensor) -> Labels:
        maps = segmenter.maps_of(ImageInMemory(part))
        mask: Pixels = segmenter.mask_of(maps)[0].numpy()
        distance = quantise(segmenter.name_maps(maps)[DISTANCE])
        return decode(mask, distance, segmenter.decoder.decoding)  # by one rule at all scales

    try:
        prepared = segmenter.prepare(image() if callable(image) else image)
    except LiveCellError:  # is reported when it is predicted
        return None
    return estimate_diameter(without_metadata(prepared[IMAGE]), separate, expected) or 0.0


def _note_ranges(bundle: Path, given: Mapping[str, Any], images: Sequence[Measured]) -> None:
    """Note the ranges of the maps of these images in the bundle, which the backend int8 needs.

    Raises a SettingError without images.
    """
    if not images:
        raise SettingError(
            "setting backend must be torch for the start without images, got int8, whose ranges are measured on images; "
            "give some, in Python as images=[...]"
        )
    segmenter = open_segmenter(bundle, {**given, "backend": "torch"})
    note_study(bundle, {RANGES: measure_map_ranges(segmenter, images)}, "")
