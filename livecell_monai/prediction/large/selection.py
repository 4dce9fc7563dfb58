"""Which images are large, how they are opened, and what identifies their masks."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.items import Item
from livecell_monai.data.large import LargeImageSource
from livecell_monai.data.paths import find_stored_format
from livecell_monai.data.readers import PlaneAddress, find_file, open_stack, parse_address
from livecell_monai.errors import LiveCellError
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import IMAGE, NAME, Pixels, Region


def choose_large_images(items: Sequence[Item], megapixels: float) -> tuple[list[Item], list[Item]]:
    """(images above so many megapixels, the others); frames of movies and unreadable images are never large."""
    times = Counter(item[NAME] for item in items)
    large: list[Item] = []
    rest: list[Item] = []
    for item in items:
        is_large = times[item[NAME]] == 1 and _measure_megapixels(item) > megapixels
        (large if is_large else rest).append(item)
    return large, rest


@contextmanager
def open_source(item: Item, rows: int = 0) -> Iterator[LargeImageSource]:
    """The plane of an item, to be read in parts of so many rows; a DataError if the file cannot be read."""
    address = parse_address(item[IMAGE]) or PlaneAddress(Path(item[IMAGE]))
    with open_stack(address.path, address.axes, address.allow_gaps) as stack:
        yield LargeImageSource(stack, address.time, address.channel, address.z, rows)


def read_window(item: Item, place: tuple[float, float], edge: int) -> Pixels:
    """A window (y, x) of a large image, at most `edge` pixels each way, around a place in parts (Y, X) of the image.

    Raises a DataError if it cannot be read.
    """
    with open_source(item) as source:
        sizes = [min(edge, whole) for whole in source.shape]
        middles = [whole * part for whole, part in zip(source.shape, place, strict=True)]
        top, left = (
            min(max(0, round(middle - size / 2)), whole - size)
            for middle, size, whole in zip(middles, sizes, source.shape, strict=True)
        )
        return source.read(Region(top, left, top + sizes[0], left + sizes[1]))


def describe_large_image(
    source: LargeImageSource, inferer: WindowInferer, weights: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What must match to resume the prediction of a large image: the image, the weights and the settings.

    The weights are given by their SHA-256, the settings are those that change a mask.
    """
    path, plan = source.stack.path, inferer.windows
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    states = [file.stat() for file in files]
    return {
        "image": {
            "file": path.name,
            "plane": source.plane,
            "shape": list(source.shape),
            "bytes": sum(state.st_size for state in states),
            "changed": max(state.st_mtime_ns for state in states),
        },
        "weights": weights,
        **settings,
        "window": {"pixels": math.prod(plan.largest)} if plan.by_area else list(plan.largest),
        "overlap": plan.overlap,
        "tta_views": inferer.tta_views,
        "arithmetic": "bf16" if inferer.accelerator.bf16 else "float32",
        "chunk": CHUNK,
    }


def _measure_megapixels(item: Item) -> float:
    if find_stored_format(find_file(item[IMAGE])) is None:
        return 0.0  # PNG, JPEG and NIfTI are always read as a whole
    try:
        with open_source(item) as source:
            return source.shape[0] * source.shape[1] / 1e6
    except LiveCellError:
        return 0.0  # its reader reports the error later
