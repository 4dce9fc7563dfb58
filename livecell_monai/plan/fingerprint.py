"""Measurements of a set of annotated images, as numbers and in words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from livecell_monai.data.readers.kinds import read_annotation, read_image
from livecell_monai.data.readers.read_cache import measure_once
from livecell_monai.errors import DataError
from livecell_monai.plan.image_statistics import ImageStatistics, measure_image
from livecell_monai.sample import Region, Sample

_TOLERANCE = 0.01  # relative; pixel sizes that differ by less are the same
_POLARITY = {
    "bright": "brighter than the background",
    "dark": "darker than the background",
    "mixed": "partly brighter, partly darker than the background",
}


@dataclass(frozen=True)
class Fingerprint:
    """Measurements of a set of annotated images, see `ImageStatistics`; each image has the same weight."""

    images: int  #: number of images
    cells: int  #: number of cells in all images
    touching: int  #: number of cells in all images that touch another one, by their ids
    diameter_px: float  #: median of the cells, 0 without cells
    diameter_range_px: tuple[float, float]  #: 10th and 90th percentile, 0 and 0 without cells
    #: px, median of each image in the order of `by_image`; 0 without cells, or without whole ones if other images have some
    diameter_by_image: tuple[float, ...]
    border_areas: tuple[int, ...]  #: px, increasing, of all cells that the border of an image cuts
    foreground: float  #: mean over the images
    annotated: float  #: fraction of the pixels of all images
    percentiles: tuple[float, ...]  #: medians over the images
    saturated: float  #: mean over the images
    polarity: float  #: median over the images with cells
    polarity_word: str  #: `bright` or `dark` if more than half of the images with cells are, else `mixed`
    illumination: float  #: median over the images
    noise: float  #: median over the images
    pixel_size_um: tuple[float, float] | None  #: (Y, X), None if a file has none or the images differ by more than 1 %
    sizes: tuple[tuple[int, int], tuple[int, int]]  #: (Y, X) pixels of the smallest and of the largest image
    #: longest side of a rectangle that holds all annotated pixels of an image, None if all images are annotated in full
    longest_px: int | None
    by_image: tuple[ImageStatistics, ...]


def measure_fingerprint(samples: Iterable[Sample]) -> Fingerprint:
    """Measure every sample that has a label, within its region; a DataError if none has, or its size is not the image's."""
    by_image = tuple(
        measure_once(
            ("statistics", one.name, one.region, one.unlabelled_value),
            [path for path in (one.image, one.label, one.ignore) if path is not None],
            partial(_measure_sample, one),
        )
        for one in samples
        if one.label is not None
    )
    if not by_image:
        raise DataError("a fingerprint needs at least one annotated image, got none; add labels")
    with_sizes = [one for one in by_image if one.diameters]
    measured = [one for one in with_sizes if not one.is_cut] or with_sizes
    known = [one.diameters for one in measured] or [(0.0,)]
    # each image has the same weight: it contributes 101 diameters, its percentiles
    diameters = np.concatenate([np.percentile(of_image, np.arange(101)) for of_image in known])
    low, middle, high = np.quantile(diameters, (0.1, 0.5, 0.9)).tolist()
    with_cells = [one for one in by_image if one.foreground > 0] or by_image
    word, votes = Counter(one.polarity_word for one in with_cells).most_common(1)[0]
    sizes = sorted((one.size for one in by_image), key=lambda size: (size[0] * size[1], size))
    areas = [height * width for height, width in (one.size for one in by_image)]
    return Fingerprint(
        images=len(by_image),
        cells=sum(one.cells for one in by_image),
        touching=sum(one.touching for one in by_image),
        diameter_px=middle,
        diameter_range_px=(low, high),
        diameter_by_image=tuple(float(np.median(one.diameters)) if one in measured else 0.0 for one in by_image),
        border_areas=tuple(sorted(area for one in by_image for area in one.border_areas)),
        foreground=float(np.mean([one.foreground for one in by_image])),
        annotated=float(np.average([one.annotated for one in by_image], weights=areas)),
        percentiles=tuple(np.median([one.percentiles for one in by_image], axis=0).tolist()),
        saturated=float(np.mean([one.saturated for one in by_image])),
        polarity=float(np.median([one.polarity for one in with_cells])),
        polarity_word=word if 2 * votes > len(with_cells) else "mixed",
        illumination=float(np.median([one.illumination for one in by_image])),
        noise=float(np.median([one.noise for one in by_image])),
        pixel_size_um=_common_pixel_size(by_image),
        sizes=(sizes[0], sizes[-1]),
        longest_px=max(max(one.extent) for one in by_image) if any(one.annotated < 1 for one in by_image) else None,
        by_image=by_image,
    )


def describe_fingerprint(fingerprint: Fingerprint) -> list[tuple[str, str]]:
    """The fingerprint as rows (name, value with its unit)."""
    annotated = [] if fingerprint.annotated == 1 else [("annotated", _describe_annotated(fingerprint))]
    return [
        ("images", f"{fingerprint.images}, {_to(*(f'{y} x {x}' for y, x in fingerprint.sizes))} pixels (Y x X)"),
        *annotated,
        ("cells", _describe_cells(fingerprint)),
        ("cell diameter", _describe_diameters(fingerprint)),
        ("foreground", f"{fingerprint.foreground:.1%} of the {'annotated ' if annotated else ''}pixels"),
        ("grey values", f"{fingerprint.percentiles[1]:.5g} to {fingerprint.percentiles[3]:.5g} (P1 to P99)"),
        ("saturated", f"{fingerprint.saturated:.2%} of the pixels"),
        ("cells look", f"{_POLARITY[fingerprint.polarity_word]} (median {fingerprint.polarity:+.1f} sigma)"),
        ("illumination", f"uneven by {fingerprint.illumination:.1%} of P99 - P1"),
        ("noise", f"sigma {fingerprint.noise:.1%} of P99 - P1"),
        ("pixel size", _describe_pixel_size(fingerprint)),
    ]


def _describe_annotated(fingerprint: Fingerprint) -> str:
    areas = [one.annotated * one.size[0] * one.size[1] for one in fingerprint.by_image]
    whole = sum(one.annotated == 1 for one in fingerprint.by_image)
    return (
        f"{fingerprint.annotated:.1%} of the pixels, as much as {(sum(areas) / len(areas)) ** 0.5:.0f} x "
        f"{(sum(areas) / len(areas)) ** 0.5:.0f} of each image; {whole} of {fingerprint.images} images in full"
    )


def _describe_cells(fingerprint: Fingerprint) -> str:
    if not fingerprint.touching:
        return f"{fingerprint.cells}, none touches another"
    return f"{fingerprint.cells}, {fingerprint.touching / fingerprint.cells:.0%} touch another"


def _measure_sample(sample: Sample) -> ImageStatistics:
    plane, label = read_image(sample.image), read_annotation(sample)
    image = plane.pixels
    if image.shape != label.shape:
        got, expected = (" x ".join(map(str, pixels.shape)) for pixels in (label, image))
        raise DataError(
            f"{sample.label}: a label must have the size of its image, got {got} for {expected}; export it again"
        )
    region = sample.region or Region(0, 0, *label.shape)
    sides = (region.top == 0, region.bottom == label.shape[0], region.left == 0, region.right == label.shape[1])
    return measure_image(region.crop(image), region.crop(label), sample.name, plane.pixel_size_um, sides)


def _common_pixel_size(by_image: tuple[ImageStatistics, ...]) -> tuple[float, float] | None:
    known = [one.pixel_size_um for one in by_image if one.pixel_size_um is not None]
    is_common = len(known) == len(by_image) and np.all(np.ptp(known, axis=0) <= _TOLERANCE * np.min(known, axis=0))
    return known[0] if is_common else None


def _describe_diameters(fingerprint: Fingerprint) -> str:
    by_image = [diameter for diameter in fingerprint.diameter_by_image if diameter > 0]
    if not by_image:
        return "no cell"
    low, high = fingerprint.diameter_range_px
    words = f"{fingerprint.diameter_px:.0f} px, 10 to 90 % {low:.0f} to {high:.0f} px"
    if len(by_image) > 1:
        words += f", median by image {_to(f'{min(by_image):.0f}', f'{max(by_image):.0f}')} px"
    return words


def _describe_pixel_size(fingerprint: Fingerprint) -> str:
    if fingerprint.pixel_size_um is not None:
        y, x = fingerprint.pixel_size_um
        return f"{y:.4g} x {x:.4g} µm (Y x X)"
    is_known = any(one.pixel_size_um is not None for one in fingerprint.by_image)
    return "differs between the images" if is_known else "unknown: the files do not state it"


def _to(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
