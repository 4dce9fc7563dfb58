"""Measurements of a set of annotated images, as numbers and in words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.data.readers.read_cache import measure_once
from livecell_monai.errors import DataError
from livecell_monai.plan.image_statistics import ImageStatistics, measure_image
from livecell_monai.sample import Sample

_TOLERANCE = 0.01  # relative; pixel sizes that differ by less are the same


@dataclass(frozen=True)
class Fingerprint:
    """Measurements of a set of annotated images; all images have the same weight, whatever their size and number of cells.

    Attributes:
        images: number of images.
        cells: number of cells in all images.
        diameter_px: median diameter of the cells, 0 without cells.
        diameter_range_px: 10th and 90th percentile of the diameters, 0 and 0 without cells.
        diameter_by_image: px, median of each image in the order of `by_image`, 0 for an image without cells.
        foreground: fraction of foreground pixels in [0, 1], mean over the images.
        percentiles: grey values at `PERCENTILES`, medians over the images.
        saturated: fraction of saturated pixels in [0, 1], mean over the images.
        polarity: (foreground - background) / sigma of the background, median over the images.
        polarity_word: `bright` or `dark` if more than half of the images are, else `mixed`.
        illumination: unevenness / (P99 - P1), median over the images.
        noise: sigma / (P99 - P1), median over the images.
        pixel_size_um: (Y, X) µm, None if a file does not state it or the images differ by more than 1 %.
        sizes: (Y, X) pixels of the smallest and of the largest image.
        by_image: measurements of each image.
    """

    images: int
    cells: int
    diameter_px: float
    diameter_range_px: tuple[float, float]
    diameter_by_image: tuple[float, ...]
    foreground: float
    percentiles: tuple[float, ...]
    saturated: float
    polarity: float
    polarity_word: str
    illumination: float
    noise: float
    pixel_size_um: tuple[float, float] | None
    sizes: tuple[tuple[int, int], tuple[int, int]]
    by_image: tuple[ImageStatistics, ...]


def measure_fingerprint(samples: Iterable[Sample]) -> Fingerprint:
    """Measure every sample that has a label, within its region.

    Raises:
        DataError: a file cannot be read, label and image differ in size, or no sample has a label.
    """
    by_image = tuple(_measure_once(sample, sample.label) for sample in samples if sample.label is not None)
    if not by_image:
        raise DataError("a fingerprint needs at least one annotated image, got none; add labels")
    low, middle, high = _diameter_quantiles(by_image, (0.1, 0.5, 0.9))
    word, votes = Counter(one.polarity_word for one in by_image).most_common(1)[0]
    sizes = sorted((one.size for one in by_image), key=lambda size: (size[0] * size[1], size))
    return Fingerprint(
        images=len(by_image),
        cells=sum(one.cells for one in by_image),
        diameter_px=middle,
        diameter_range_px=(low, high),
        diameter_by_image=tuple(float(np.median(one.diameters)) if one.diameters else 0.0 for one in by_image),
        foreground=float(np.mean([one.foreground for one in by_image])),
        percentiles=tuple(np.median([one.percentiles for one in by_image], axis=0).tolist()),
        saturated=float(np.mean([one.saturated for one in by_image])),
        polarity=float(np.median([one.polarity for one in by_image])),
        polarity_word=word if 2 * votes > len(by_image) else "mixed",
        illumination=float(np.median([one.illumination for one in by_image])),
        noise=float(np.median([one.noise for one in by_image])),
        pixel_size_um=_common_pixel_size(by_image),
        sizes=(sizes[0], sizes[-1]),
        by_image=by_image,
    )


def describe_fingerprint(fingerprint: Fingerprint) -> list[tuple[str, str]]:
    """The fingerprint as rows (name, value with its unit)."""
    return [
        ("images", f"{fingerprint.images}, {_to(*(f'{y} x {x}' for y, x in fingerprint.sizes))} pixels (Y x X)"),
        ("cells", str(fingerprint.cells)),
        ("cell diameter", _describe_diameters(fingerprint)),
        ("foreground", f"{fingerprint.foreground:.1%} of the pixels"),
        ("grey values", f"{fingerprint.percentiles[1]:.5g} to {fingerprint.percentiles[3]:.5g} (P1 to P99)"),
        ("saturated", f"{fingerprint.saturated:.2%} of the pixels"),
        ("cells look", _describe_polarity(fingerprint)),
        ("illumination", f"uneven by {fingerprint.illumination:.1%} of P99 - P1"),
        ("noise", f"sigma {fingerprint.noise:.1%} of P99 - P1"),
        ("pixel size", _describe_pixel_size(fingerprint)),
    ]


def _measure_once(sample: Sample, label_path: Path) -> ImageStatistics:
    key = ("statistics", sample.name, sample.region)
    return measure_once(key, [sample.image, label_path], lambda: _measure_sample(sample, label_path))


def _measure_sample(sample: Sample, label_path: Path) -> ImageStatistics:
    plane, label = read_image(sample.image), read_label(label_path)
    image = plane.pixels
    if image.shape != label.shape:
        rule = f"a label must have the size of its image, got {label.shape[0]} x {label.shape[1]}"
        raise DataError(f"{label_path}: {rule} for {image.shape[0]} x {image.shape[1]}; export it again")
    if sample.region is not None:
        image, label = sample.region.crop(image), sample.region.crop(label)
    return measure_image(image, label, sample.name, plane.pixel_size_um)


def _diameter_quantiles(by_image: tuple[ImageStatistics, ...], shares: tuple[float, ...]) -> list[float]:
    """Quantiles of the diameters in px, with the same weight for each image."""
    known = [one.diameters for one in by_image if one.diameters]
    if not known:
        return [0.0] * len(shares)
    # each image contributes 101 diameters, its percentiles
    even = np.concatenate([np.percentile(diameters, np.arange(101)) for diameters in known])
    return [float(diameter) for diameter in np.quantile(even, shares)]


def _common_pixel_size(by_image: tuple[ImageStatistics, ...]) -> tuple[float, float] | None:
    known = [one.pixel_size_um for one in by_image if one.pixel_size_um is not None]
    if len(known) < len(by_image):
        return None
    sizes = np.array(known)
    first: tuple[float, float] = known[0]
    return first if bool(np.all(np.ptp(sizes, axis=0) <= _TOLERANCE * sizes.min(axis=0))) else None


def _describe_diameters(fingerprint: Fingerprint) -> str:
    by_image = [diameter for diameter in fingerprint.diameter_by_image if diameter > 0]
    if not by_image:
        return "no cell"
    low, high = fingerprint.diameter_range_px
    words = f"{fingerprint.diameter_px:.0f} px, 10 to 90 % {low:.0f} to {high:.0f} px"
    if len(by_image) > 1:
        words += f", median by image {_to(f'{min(by_image):.0f}', f'{max(by_image):.0f}')} px"
    return words


def _describe_polarity(fingerprint: Fingerprint) -> str:
    words = {
        "bright": "brighter than the background",
        "dark": "darker than the background",
        "mixed": "partly brighter, partly darker than the background",
    }
    return f"{words[fingerprint.polarity_word]} (median {fingerprint.polarity:+.1f} sigma)"


def _describe_pixel_size(fingerprint: Fingerprint) -> str:
    if fingerprint.pixel_size_um is not None:
        y, x = fingerprint.pixel_size_um
        return f"{y:.4g} x {x:.4g} µm (Y x X)"
    is_known = any(one.pixel_size_um is not None for one in fingerprint.by_image)
    return "differs between the images" if is_known else "unknown: the files do not state it"


def _to(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
