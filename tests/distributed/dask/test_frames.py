"""Frames of a movie that arrive in any order."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from livecell_monai.distributed.dask.frames import MovieFrames
from livecell_monai.outputs.base import Frame


class Spy:
    """A writer that says what it writes; frames have the problem of their position."""

    def __init__(self, problems: dict[int, str]) -> None:
        self.problems, self.written = problems, []
        self.failures: dict[Path, str] = {}
        self.outputs = SimpleNamespace(discard=lambda: self.written.clear())

    def read_frame(self, name, position):
        return SimpleNamespace(
            name=name, source=Path(name), frame=Frame(position, position, 4), problem=self.problems.get(position)
        )

    def write_frame(self, prediction):
        self.written.append((prediction.name, prediction.frame.position))

    def skip_movie(self, source, message):
        self.failures[source] = message


def block(*positions, name="m"):
    return [{"name": name, "frames": 4, "position": position} for position in positions]


def test_frames_are_written_in_order_whatever_the_order_of_the_blocks():
    spy = Spy({3: "dark"})
    frames = MovieFrames(spy)
    assert not frames.add(block(2), {})
    assert spy.written == []
    assert not frames.add(block(0, 1), {})
    assert spy.written == [("m", 0), ("m", 1), ("m", 2)]
    assert frames.add(block(3), {})
    assert spy.written[-1] == ("m", 3)
    assert not spy.failures


@pytest.mark.parametrize("failing", [0, 1])
def test_a_block_that_fails_ends_its_movie_alone(failing):
    spy = Spy({})
    frames = MovieFrames(spy)
    for place, part in enumerate([block(0, 1), block(2, 3)]):
        is_complete = frames.add(part, {Path("m"): "broken"} if place == failing else {})
    assert is_complete
    assert spy.written == []
    assert spy.failures == {Path("m"): "broken"}
    assert frames.add(block(0, 1, 2, 3, name="n"), {})
    assert spy.written == [("n", position) for position in range(4)]


def test_a_movie_of_which_no_frame_can_be_read_fails():
    spy = Spy(dict.fromkeys(range(4), "dark"))
    assert MovieFrames(spy).add(block(0, 1, 2, 3), {})
    assert spy.failures == {Path("m"): "dark (no other frame can be read either)"}


def test_movies_are_written_one_after_the_other_however_their_blocks_mix():
    """The outputs of a movie end when those of another begin."""
    spy = Spy({})
    frames = MovieFrames(spy)
    arriving = [("n", 1), ("m", 0), ("n", 0), ("m", 2), ("m", 1), ("n", 2), ("n", 3), ("m", 3)]
    complete = [frames.add(block(position, name=name), {}) for name, position in arriving]
    assert complete == [False] * 6 + [True] * 2
    assert spy.written == [(name, position) for name in "mn" for position in range(4)]


def test_a_movie_that_fails_meanwhile_does_not_end_the_one_that_is_written():
    spy = Spy({})
    frames = MovieFrames(spy)
    frames.add(block(0, 1), {})
    frames.add(block(0, 1, name="n"), {Path("n"): "broken"})
    assert frames.add(block(2, 3), {})
    assert frames.add(block(2, 3, name="n"), {})
    assert spy.written == [("m", position) for position in range(4)]
    assert spy.failures == {Path("n"): "broken"}
