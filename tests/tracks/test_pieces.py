import numpy as np
import pytest

from livecell_monai.sample import Pixels
from livecell_monai.tracks.linking import link
from livecell_monai.tracks.objects import measure_objects
from livecell_monai.tracks.tracks import Tracks
from tests.support.moving_cells import Drawn


def draw(*names: str) -> list[Pixels]:
    """Frames of one cell of 8 x 18 px: `whole`, in two pieces (`cut`), or two cells of that size side by side (`two`)."""
    frames = []
    for place, name in enumerate(names):
        frame = np.zeros((40, 60), np.int32)
        frame[12:20, 20:38] = 5 + place
        if name == "cut":
            frame[12:20, 20:27] = 40
        if name == "two":
            frame[12:20, 2:20], frame[12:20, 38:56] = 41, 5 + place
            frame[12:20, 20:38] = 0
        frames.append(frame)
    return frames


def linked(*names: str, **limits: float) -> Tracks:
    labels = Drawn(draw(*names))
    return link(measure_objects(labels, correct_drift=False), labels, {"greatest_gap": 0, **limits})


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_cell_that_is_cut_for_some_frames_is_one_cell(frames: int) -> None:
    names = ["whole", "whole", *["cut"] * frames, "whole", "whole"]
    apart, tracks = linked(*names, greatest_cut=0), linked(*names)
    assert len(apart) == len(names) + frames
    assert tracks.track.tolist() == [1] * len(names)
    assert tracks.area.tolist() == [8 * 18] * len(names)
    assert tracks.x.tolist() == pytest.approx([28.5] * len(names))
    assert tracks.label.tolist() == list(range(5, 5 + len(names)))  # the larger piece has the label
    assert tracks.joined.tolist() == [[2 + place, 40, 7 + place] for place in range(frames)]
    assert not len(apart.joined)


def test_pieces_that_stay_apart_or_do_so_for_too_long_are_not_joined() -> None:
    assert not len(linked("whole", "cut", "cut", "cut", "cut", "whole").joined)
    assert not len(linked("whole", "whole", "cut", "cut").joined)
    assert len(linked("whole", "cut", "cut", "cut", "cut", "whole", greatest_cut=4).joined) == 4


def test_two_cells_that_are_one_object_in_two_single_frames_stay_two() -> None:
    assert not len(linked("cut", "cut", "whole", "cut", "whole", "cut", "cut").joined)


def test_cells_that_grow_together_are_not_pieces() -> None:
    assert not len(linked("whole", "two", "whole").joined)


def test_a_cell_whose_daughters_cover_it_has_been_cut_unless_it_was_small() -> None:
    stays = ["whole"] * 5 + ["cut"] * 4
    assert linked(*stays).parents == {}
    small = [frame.copy() for frame in draw(*stays)]
    for frame in small[:4]:
        frame[4:32, 8:50] = frame.max()  # of a cell that becomes round before it divides
    labels = Drawn(small)
    tracks = link(measure_objects(labels, correct_drift=False), labels, {"greatest_gap": 0, "greatest_step": 60})
    assert len(set(tracks.parents.values())) == 1
