"""Frames of movies that workers predict in any order, written in order by the process that started them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from livecell_monai.data.dataset.items import Item
from livecell_monai.prediction.datasets import NONE_READ
from livecell_monai.prediction.writers import PredictionWriter
from livecell_monai.sample import FRAMES, NAME, POSITION


class MovieFrames:
    """Receives blocks of frames and writes what is next; the others wait on disk, where the workers have kept them.

    Args:
        writer: of the bundle, in this process.
    """

    def __init__(self, writer: PredictionWriter) -> None:
        self._writer = writer
        self._waiting: dict[str, set[int]] = {}  # positions of the frames that have arrived, by movie
        self._next: dict[str, int] = {}  # position of the frame to write
        self._arrived: dict[str, int] = {}
        self._read: set[str] = set()  # movies with a frame that could be read
        self._failed: set[str] = set()

    def add(self, items: Sequence[Item], failures: Mapping[Path, str]) -> bool:
        """Receive the frames of a block, which a worker has predicted; whether all frames of the movie have arrived.

        `failures` are those of the block: one ends its movie.
        """
        name, frames = items[0][NAME], items[0][FRAMES]
        self._arrived[name] = self._arrived.get(name, 0) + len(items)
        if failures:
            self._failed.add(name)
            self._writer.failures.update(failures)
            self._writer.outputs.discard()
        waiting = self._waiting.setdefault(name, set())
        waiting.update(item[POSITION] for item in items)
        while name not in self._failed and (position := self._next.get(name, 0)) in waiting:
            waiting.remove(position)
            self._write(name, position)
            self._next[name] = position + 1
        return bool(self._arrived[name] == frames)

    def _write(self, name: str, position: int) -> None:
        prediction = self._writer.read_frame(name, position)
        assert prediction.frame is not None
        if prediction.problem is None:
            self._read.add(name)
        if prediction.frame.is_last and name not in self._read:
            self._writer.skip_movie(prediction.source, f"{prediction.problem} {NONE_READ}")
        else:
            self._writer.write_frame(prediction)
