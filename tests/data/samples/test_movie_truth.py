import numpy as np

from livecell_monai.data.samples.movie_life import Life
from livecell_monai.data.samples.movie_truth import ENTRY, SLIVER, TruthTracks
from livecell_monai.data.samples.synthetic_cell import SPINDLE


def begin(number: int, **changes: int | bool) -> Life:
    return Life(number, SPINDLE, 40.0, 26.0, 24.0, 14.0, 1.8, **{"born": 0, **changes})  # type: ignore[arg-type]


def draw(**sizes: int) -> np.ndarray:
    """Cells of so many pixels, such as c1=100, in rows of their own away from the border."""
    cells = np.zeros((60, 140), np.int32)
    for name, size in sizes.items():
        number = int(name[1:])
        cells[5 * number, 5 : 5 + size] = number
    return cells


def follow(lives: list[Life], *frames: np.ndarray) -> TruthTracks:
    truth = TruthTracks(lives)
    for cells in frames:
        labels = truth.add(cells)
        assert labels.dtype == np.uint16
    return truth


def test_a_cell_keeps_its_label() -> None:
    truth = follow([begin(1), begin(2)], draw(c1=100, c2=90), draw(c1=100, c2=90))
    assert truth.write_lines() == "1 0 1 0\n2 0 1 0\n"
    assert truth.counts == [2, 2]
    assert {row["fate"] for row in truth.list_rows()} == {"end of movie"}


def test_daughters_follow_their_mother() -> None:
    lives = [begin(1, gone=1), begin(2, born=1, parent=1), begin(3, born=1, parent=1)]
    truth = follow(lives, draw(c1=100), draw(c2=90, c3=90))
    assert truth.write_lines() == "1 0 0 0\n2 1 1 1\n3 1 1 1\n"
    assert truth.count_divisions() == 1
    assert truth.list_rows()[0]["fate"] == "divided"


def test_a_division_out_of_sight_has_no_parent() -> None:
    lives = [begin(1, gone=1), begin(2, born=1, parent=1), begin(3, born=1, parent=1)]
    truth = follow(lives, draw(), draw(c2=90))
    assert truth.write_lines() == "1 1 1 0\n"
    truth = follow(lives, draw(c1=90), draw(), draw(c2=90))  # the daughters are seen too late
    assert truth.write_lines() == "1 0 0 0\n2 2 2 0\n"
    assert truth.count_divisions() == 0


def test_one_daughter_in_the_field_is_no_division() -> None:
    lives = [begin(1, gone=1), begin(2, born=1, parent=1), begin(3, born=1, parent=1)]
    truth = follow(lives, draw(c1=100), draw(c2=90))
    assert truth.write_lines() == "1 0 0 0\n2 1 1 1\n"
    assert truth.count_divisions() == 0


def test_a_cell_that_is_hidden_ends_its_track_and_begins_another() -> None:
    truth = follow([begin(1)], draw(c1=100), draw(), draw(c1=100))
    assert truth.write_lines() == "1 0 0 0\n2 2 2 0\n"
    assert truth.list_rows()[0]["fate"] == "hidden"


def test_a_cell_that_leaves_is_cut_by_the_border() -> None:
    cells = draw()
    cells[0, :100] = 1
    truth = follow([begin(1)], cells, draw())
    assert truth.list_rows()[0]["fate"] == "left the field"


def test_a_cell_dies() -> None:
    truth = follow([begin(1, gone=1, dies=True)], draw(c1=100), draw())
    assert truth.list_rows()[0]["fate"] == "died"


def test_slivers_waver_without_beginning_tracks() -> None:
    truth = follow([begin(1)], draw(c1=ENTRY - 1), draw(c1=ENTRY), draw(c1=SLIVER), draw(c1=SLIVER - 1), draw(c1=SLIVER))
    assert truth.write_lines() == "1 1 2 0\n"
    assert truth.counts == [0, 1, 1, 0, 0]
