import numpy as np
import pytest

from livecell_monai.data.samples.movie_life import Life, smooth_step
from livecell_monai.data.samples.synthetic_cell import SPINDLE

STEP_H = 0.5


def begin(**changes: object) -> Life:
    fixed = {"kind": SPINDLE, "diameter": 40.0, "round_diameter": 26.0, "cycle_h": 24.0, "speed": 14.0, "aspect": 1.8}
    return Life(**{"number": 1, "born": 0, **fixed, **changes})  # type: ignore[arg-type]


def test_a_cell_that_never_ends_is_spread_and_grows() -> None:
    life = begin()
    assert all(life.roundness(frame, STEP_H) == 0 for frame in range(40))
    assert life.diameter_px(47, STEP_H) > life.diameter_px(0, STEP_H) > 30


def test_a_cell_rounds_up_before_it_divides_and_its_daughters_spread() -> None:
    mother, daughter = begin(gone=20), begin(born=20, parent=1)
    rounding = [mother.roundness(frame, STEP_H) for frame in range(20)]
    assert rounding[-1] == 1
    assert rounding[:16] == [0] * 16
    assert rounding == sorted(rounding)
    spreading = [daughter.roundness(frame, STEP_H) for frame in range(20, 26)]
    assert spreading[0] > 0.9
    assert spreading[-1] == 0
    assert spreading == sorted(spreading, reverse=True)
    assert daughter.diameter_px(20, STEP_H) < mother.diameter_px(19, STEP_H)


def test_a_dying_cell_rounds_up_and_shrinks() -> None:
    life = begin(gone=20, dies=True)
    assert life.roundness(19, STEP_H) == 1
    assert life.decay(10, STEP_H) == 0
    assert life.decay(19, STEP_H) > 0.9
    assert life.diameter_px(19, STEP_H) < 0.6 * 26


@pytest.mark.parametrize("changes", [{}, {"gone": 30}, {"gone": 30, "dies": True}, {"parent": 2}])
def test_size_and_shape_change_without_jumps(changes: dict[str, int]) -> None:
    life = begin(**changes)
    fine_h = 1 / 60
    frames = range(int(15 / fine_h))
    if "gone" in changes:
        life.gone = len(frames)
    for measure in (life.roundness, life.diameter_px):
        values = np.array([measure(frame, fine_h) for frame in frames])
        assert np.abs(np.diff(values)).max() < 0.05 * max(1, values.max())


def test_smooth_step_has_its_ends() -> None:
    assert [smooth_step(value) for value in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.5, 1, 1]
