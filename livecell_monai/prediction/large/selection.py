"""Which images are large, by their headers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from livecell_monai.data.dataset.items import Item
from livecell_monai.data.large import LargeImageSource
from livecell_monai.data.paths import find_format
from livecell_monai.data.readers import PlaneAddress, open_stack, parse_address
from livecell_monai.errors import LiveCellError
from livecell_monai.sample import IMAGE, NAME


def choose_large_images(items: Sequence[Item], megapixels: float) -> tuple[list[Item], list[Item]]:
    """(large images, the other items). A file whose header cannot be read is among the others: its reader says why.

    So are the frames of a movie: they make one stack, whose writer takes them whole.

    Args:
        items: the images.
        megapixels: size above which an image is large, in 10^6 pixels.
    """
    times = Counter(item[NAME] for item in items)
    large: list[Item] = []
    rest: list[Item] = []
    for item in items:
        is_one = times[item[NAME]] == 1 and _measure_megapixels(item) > megapixels
        (large if is_one else rest).append(item)
    return large, rest


@contextmanager
def opened(item: Item, rows: int = 0) -> Iterator[LargeImageSource]:
    """The plane of an item, for reading part by part.

    Args:
        item: an image.
        rows: height of what is read at once, in pixels.

    Raises:
        DataError: where the file cannot be read.
    """
    address = parse_address(item[IMAGE]) or PlaneAddress(Path(item[IMAGE]))
    with open_stack(address.path, address.axes) as stack:
        yield LargeImageSource(stack, address.time, address.channel, address.z, rows)


def _measure_megapixels(item: Item) -> float:
    address = parse_address(item[IMAGE])
    if find_format(Path(item[IMAGE]) if address is None else address.path) is None:
        return 0.0  # PNG, JPEG and NIfTI are read whole or not at all
    try:
        with opened(item) as source:
            return source.shape[0] * source.shape[1] / 1e6
    except LiveCellError:
        return 0.0
