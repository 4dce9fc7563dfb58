import numpy as np
import pytest

from livecell_monai.data.samples.movie_crowd import PERSISTENCE_H, Crowd, push_apart, walk

SIDE = 400.0


def gather(places: list[tuple[float, float]], **changes: float) -> Crowd:
    count = len(places)
    values = {"headings": 0.0, "angles": 0.0, "speeds": 10.0, "lengths": 12.0, "widths": 10.0, "activity": 1.0, **changes}
    arrays = {name: np.full(count, value) for name, value in values.items()}
    return Crowd(SIDE, np.arange(1, count + 1), np.array(places, dtype=float), **arrays)


def measure_gap(crowd: Crowd) -> float:
    gap = crowd.places[0] - crowd.places[1]
    return float(np.hypot(*(gap - SIDE * np.round(gap / SIDE))))


@pytest.mark.parametrize("places", [[(200, 200), (205, 200)], [(1, 200), (398, 200)]], ids=["inside", "across the seam"])
def test_cells_that_overlap_are_pushed_apart(places: list[tuple[float, float]]) -> None:
    crowd = gather(places)
    before = measure_gap(crowd)
    assert before < 10
    for _ in range(60):
        push_apart(crowd)
    assert measure_gap(crowd) == pytest.approx(20, abs=1)  # two half-widths


def test_cells_that_do_not_touch_stay() -> None:
    crowd = gather([(100, 100), (300, 300)])
    push_apart(crowd)
    assert crowd.places.tolist() == [[100, 100], [300, 300]]
    assert crowd.angles.tolist() == [0, 0]


def test_a_push_at_one_end_turns_a_cell() -> None:
    crowd = gather([(200, 200), (206, 215)])
    push_apart(crowd)
    assert abs(crowd.angles[0]) > 0


def test_a_round_cell_does_not_walk() -> None:
    still, walking = gather([(200, 200)], activity=0.0), gather([(200, 200)])
    for crowd in (still, walking):
        walk(crowd, 1.0, np.random.default_rng(0))
    assert np.hypot(*(still.places[0] - 200)) < 3 < np.hypot(*(walking.places[0] - 200))


def test_direction_persists_and_is_forgotten() -> None:
    crowd = gather([(0.0, 0.0)] * 2000, lengths=0.0, widths=0.0)
    rng = np.random.default_rng(0)
    walk(crowd, PERSISTENCE_H, rng)
    # of a heading that diffuses, the mean cosine falls to 1 / e in the time of persistence
    assert np.cos(crowd.headings).mean() == pytest.approx(np.exp(-1), abs=0.05)


def test_a_long_step_is_made_of_short_ones() -> None:
    crowd = gather([(200, 200)])
    walk(crowd, 6.0, np.random.default_rng(1))
    assert np.hypot(*(crowd.places[0] - 200)) < 6.0 * 10 * 1.5
    assert abs(crowd.angles[0]) < 6.0 * 0.5
