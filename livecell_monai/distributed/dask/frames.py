"""Frames of movies that workers predict in any order, written in order by the process that started them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from livecell_monai.data.dataset.items import Item
from livecell_monai.prediction.datasets import NONE_READ
from livecell_monai.prediction.writers import PredictionWriter
from livecell_monai.sample import FRAMES, NAME, POSITION


class MovieFrames:
    """Receives blocks of frames and writes what is next; the others wait on disk, where the workers have kept them.

    One movie is written after the other, however their blocks mix: the outputs of a movie end when those of another begin.

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
        self._current: str | None = None  # the movie that is being written

    def add(self, items: Sequence[Item], failures: Mapping[Path, str]) -> bool:
        """Receive the frames of a block, which a worker has predicted; whether all frames of the movie have arrived.

        `failures` are those of the block: one ends its movie.
        """
        name, frames = items[0][NAME], items[0][FRAMES]
        self._arrived[name] = self._arrived.get(name, 0) + len(items)
        self._waiting.setdefault(name, set()).update(item[POSITION] for item in items)
        if failures:
            self._failed.add(name)
            self._writer.failures.update(failures)
        if failures and self._current == name:
            self._writer.outputs.discard()
            self._current = None
        while (movie := self._current or self._find_startable()) is not None:
            self._current = movie
            if not self._write_waiting(movie):
                break
            self._current = None
        return bool(self._arrived[name] == frames)

    def _find_startable(self) -> str | None:
        """A movie whose first frame waits."""
        ready = (name for name, waiting in self._waiting.items() if name not in self._failed and 0 in waiting)
        return next(ready, None)

    def _write_waiting(self, name: str) -> bool:
        """Write the frames of a movie that are next; whether the last one is among them."""
        waiting, is_last = self._waiting[name], False
        while (position := self._next.get(name, 0)) in waiting:
            waiting.remove(position)
            is_last = self._write(name, position)
            self._next[name] = position + 1
        return is_last

    def _write(self, name: str, position: int) -> bool:
        """Write a frame; whether it is the last of its movie."""
        prediction = self._writer.read_frame(name, position)
        assert prediction.frame is not None
        if prediction.problem is None:
            self._read.add(name)
        if prediction.frame.is_last and name not in self._read:
            self._writer.skip_movie(prediction.source, f"{prediction.problem} {NONE_READ}")
        else:
            self._writer.write_frame(prediction)
        return prediction.frame.is_last
