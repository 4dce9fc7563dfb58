"""How a prediction is cut into tasks: images by the handful, a movie whole, a mosaic by bands of rows."""

from collections.abc import Iterable, Iterator, Sequence

from livecell_monai.data.dataset.items import Item
from livecell_monai.sample import FRAMES, NAME

MOST = 32  #: images of one task: between two tasks the network waits for the next image to be read
TASKS = 4  #: tasks that a worker gets at least, where there are so many images, so that none waits long for the last one


def share_images(items: Sequence[Item], workers: int) -> Iterator[list[Item]]:
    """Tasks of a few images each, in their order; the frames of a movie are one task, as they become one stack.

    Args:
        items: the images; frames of one movie follow each other.
        workers: number of workers.
    """
    singles = sum(FRAMES not in item for item in items)
    size = max(1, min(MOST, singles // (TASKS * max(1, workers))))
    part: list[Item] = []
    for item in items:
        is_frame = FRAMES in item
        is_other = bool(part) and (FRAMES in part[0] or is_frame) and part[0][NAME] != item[NAME]
        if is_other or (not is_frame and len(part) == size):
            yield part
            part = []
        part.append(item)
    if part:
        yield part


def share_rows(bands: Iterable[tuple[int, int]], workers: int, chunk: int) -> list[tuple[int, int]]:
    """Bands of rows [top, bottom) cut so that every worker gets some, each a whole number of chunks high.

    A task looks at the windows beside its own rows as well: the larger, the less is looked at twice.

    Args:
        bands: rows that are missing.
        workers: number of workers.
        chunk: height of a chunk.
    """
    missing = list(bands)
    rows = sum(bottom - top for top, bottom in missing)
    height = max(1, round(rows / (TASKS * max(1, workers) * chunk))) * chunk
    return [(first, min(first + height, bottom)) for top, bottom in missing for first in range(top, bottom, height)]
