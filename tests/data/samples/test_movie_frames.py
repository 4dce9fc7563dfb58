from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from livecell_monai.data.samples.movie_drift import Drift
from livecell_monai.data.samples.movie_frames import MovieFrame, MoviePainter
from livecell_monai.data.samples.movie_life import Life
from livecell_monai.data.samples.movie_plan import MovieSettings, Plan
from livecell_monai.data.samples.phase_contrast import BRIGHTEST, DARKEST
from livecell_monai.data.samples.synthetic_cell import FLAT, SPINDLE

SIZE = 128
SHIFT = (5.0, -3.0)


def begin(number: int, y: float, x: float, **changes: int | bool) -> Life:
    life = Life(number, SPINDLE, 40.0, 26.0, 24.0, 14.0, 1.5, born=0, **changes)  # type: ignore[arg-type]
    life.places = [(y, x, 0.0)] * (life.gone or 3)
    return life


def paint(lives: list[Life], drift: Drift | None = None) -> list[MovieFrame]:
    plain = Drift(np.zeros((3, 2)), np.zeros(3), np.ones(3))
    return list(MoviePainter(Plan(lives, MovieSettings(frames=3, size=SIZE)), drift or plain).paint())


@pytest.fixture(scope="module")
def still() -> list[MovieFrame]:
    return paint([begin(1, 60, 60), begin(2, 3, 90), begin(3, 400, 400)])


def test_form_and_range(still: list[MovieFrame]) -> None:
    assert len(still) == 3
    for frame in still:
        assert frame.image.shape == frame.cells.shape == (SIZE, SIZE)
        assert frame.image.dtype == np.uint16
        assert DARKEST <= frame.image.min() < frame.image.max() <= BRIGHTEST
        assert set(np.unique(frame.cells)) == {0, 1, 2}  # the third one is outside
        assert all(ndimage.label(frame.cells == number)[1] == 1 for number in (1, 2))
        assert (frame.cells[0] == 2).any()  # cut by the border


def test_nothing_flickers_but_the_camera(still: list[MovieFrame]) -> None:
    change = still[1].image.astype(float) - still[0].image
    away = ndimage.distance_transform_edt(still[0].cells == 0) > 12
    assert change[away].std() == pytest.approx(400 * np.sqrt(2), rel=0.1)  # photon noise of two frames


def test_the_stage_moves_cells_and_dish_alike(still: list[MovieFrame]) -> None:
    shift = np.array([(0.0, 0.0), SHIFT, (0.0, 0.0)])
    moved = paint([begin(1, 60, 60)], Drift(shift, np.zeros(3), np.ones(3)))
    here, there = (ndimage.center_of_mass(frames[1].cells == 1) for frames in (still, moved))
    np.testing.assert_allclose(np.subtract(there, here), SHIFT, atol=0.01)
    bare = [frame.image.astype(float) for frame in paint([], Drift(shift, np.zeros(3), np.ones(3)))]
    back = phase_cross_correlation(bare[0], bare[1], normalization=None)[0]
    assert back.tolist() == [-way for way in SHIFT]


def test_focus_and_lamp_drift() -> None:
    frames = paint([begin(1, 60, 60)], Drift(np.zeros((3, 2)), np.array([0, 2.5, 0]), np.array([1, 1, 0.9])))
    sharp, soft, dim = (frame.image.astype(float) for frame in frames)
    cell = frames[0].cells == 1
    assert np.abs(np.diff(soft, axis=0)).max() < np.abs(np.diff(sharp, axis=0)).max()
    assert np.median(dim[~cell]) == pytest.approx(0.9 * np.median(sharp[~cell]), rel=0.01)


def test_a_cell_above_cuts_the_one_below() -> None:
    lone, pair = paint([begin(2, 60, 60)])[0], paint([begin(1, 60, 75), begin(2, 60, 60)])[0]
    assert 0 < (pair.cells == 2).sum() < (lone.cells == 2).sum()


def test_dead_cells_are_gone_and_half_of_them_leave_remains() -> None:
    lives = [replace(begin(number, 60, 60, gone=1, dies=True), kind=FLAT) for number in range(1, 9)]
    kept = [paint([life])[1] for life in lives]
    assert not any(frame.cells.any() for frame in kept)
    bare = paint([])[1].image.astype(float)
    changed = [np.abs(frame.image - bare)[50:70, 50:70].max() > 1500 for frame in kept]
    assert 1 <= sum(changed) <= 7
