from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.data.samples.movie_cell import CellLook, Shown
from livecell_monai.data.samples.movie_life import Life
from livecell_monai.data.samples.synthetic_cell import FLAT, SPINDLE, Kind

STEP_H = 0.5
HERE = np.zeros(2)


def begin(kind: Kind = SPINDLE, places: list[tuple[float, float, float]] | None = None, **changes: int) -> Life:
    life = Life(1, kind, 40.0, 26.0, 24.0, 14.0, 1.8, born=0, **changes)  # type: ignore[arg-type]
    life.places = places or [(100.0, 120.0, 0.4)] * 48
    return life


def look_of(life: Life, seed: int = 0) -> CellLook:
    return CellLook(life, np.random.default_rng(seed))


def paint(look: CellLook, shown: Shown) -> tuple[np.ndarray, np.ndarray]:
    """The visible part and the relief of a cell on a plane of 240 x 240 px."""
    visible, relief = look.draw_relief(shown, np.full(shown.depth.shape, -40, np.float32))
    rows, columns = slice(shown.top, shown.top + relief.shape[0]), slice(shown.left, shown.left + relief.shape[1])
    mask, plane = np.zeros((240, 240), bool), np.zeros((240, 240), np.float32)
    mask[rows, columns], plane[rows, columns] = visible, relief
    return mask, plane


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_area_is_that_of_the_life() -> None:
    life = begin()
    mask, _ = paint(look_of(life), look_of(life).show(0, STEP_H, HERE))
    assert 0.75 < 2 * np.sqrt(mask.sum() / np.pi) / life.diameter_px(0, STEP_H) < 1.1
    assert ndimage.label(mask)[1] == 1


@pytest.mark.parametrize("kind", [SPINDLE, FLAT])
def test_the_texture_moves_with_the_cell(kind: Kind) -> None:
    life = begin(kind, [(100.0, 120.0, 0.4), (107.0, 116.0, 0.4)])
    look = look_of(life)
    (first, relief), (second, moved) = (paint(look, look.show(frame, 1e-3, HERE)) for frame in (0, 1))
    assert overlap(first, second) < 0.8
    assert overlap(np.roll(first, (7, -4), (0, 1)), second) > 0.98
    np.testing.assert_allclose(np.roll(relief, (7, -4), (0, 1)), moved, atol=0.05)


def test_the_texture_turns_with_the_cell() -> None:
    life = begin(FLAT, [(120.0, 120.0, 0.0), (120.0, 120.0, np.pi / 2)])
    look = look_of(life)
    (first, relief), (second, turned) = (paint(look, look.show(frame, 1e-3, HERE)) for frame in (0, 1))
    # from the axis X to the axis Y, around the pixel (120, 120): rows become columns
    back = np.rot90(np.pad(turned, ((0, 1), (0, 1))), 1)[: 240 + 1, : 240 + 1]
    back_mask = np.rot90(np.pad(second, ((0, 1), (0, 1))), 1)
    assert overlap(np.pad(first, ((0, 1), (0, 1))), back_mask) > 0.98
    assert np.corrcoef(relief[first], back[:240, :240][first])[0, 1] > 0.98


def test_the_outline_changes_slowly() -> None:
    life = begin()
    look = look_of(life)
    masks = [paint(look, look.show(frame, STEP_H, HERE))[0] for frame in range(13)]
    assert min(overlap(one, other) for one, other in pairwise(masks)) > 0.7
    assert overlap(masks[0], masks[-1]) < 0.9


def test_a_stage_shift_moves_it_by_parts_of_a_pixel() -> None:
    life = begin()
    look = look_of(life)
    centres = [ndimage.center_of_mass(paint(look, look.show(0, STEP_H, np.array([way, 0.0])))[0]) for way in (0.0, 0.5)]
    assert centres[1][0] - centres[0][0] == pytest.approx(0.5, abs=0.15)
    assert centres[1][1] - centres[0][1] == pytest.approx(0, abs=0.1)


def test_a_cell_about_to_divide_is_round_and_bright() -> None:
    life = begin(gone=20)
    look = look_of(life)
    spread, bright = (paint(look, look.show(frame, STEP_H, HERE)) for frame in (0, 19))
    y, x = np.nonzero(bright[0])
    assert bright[0].sum() / (np.pi * np.hypot(y - y.mean(), x - x.mean()).max() ** 2) > 0.7
    assert bright[1].min() < -0.5 < 0 < spread[1][spread[0]].mean()


def test_what_lies_above_hides_it() -> None:
    life = begin()
    look = look_of(life)
    shown = look.show(0, STEP_H, HERE)
    cover = np.full(shown.depth.shape, -40, np.float32)
    cover[:, : cover.shape[1] // 2] = 5
    visible, relief = look.draw_relief(shown, cover)
    assert visible.any()
    assert not visible[:, : cover.shape[1] // 2].any()
    assert np.all(relief[:, : cover.shape[1] // 2] == 0)


def test_no_tip_reaches_the_rim_of_its_patch() -> None:
    for seed in range(8):
        life = begin()
        life.aspect = 2.4
        shown = look_of(life, seed).show(0, STEP_H, HERE)
        for rim in (shown.depth[0], shown.depth[-1], shown.depth[:, 0], shown.depth[:, -1]):
            assert rim.max() < 0
