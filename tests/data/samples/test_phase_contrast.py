from dataclasses import replace

import numpy as np
import pytest

from livecell_monai.data.samples.phase_contrast import BRIGHTEST, DARKEST, Optics, draw_optics, expose

SHAPE = (180, 200)


@pytest.fixture
def even() -> Optics:
    flat = np.zeros(SHAPE, np.float32)
    return Optics(halo=4.0, blur=0.8, contrast=1.0, light=flat + 1, grain=flat)


def show(relief: np.ndarray, optics: Optics) -> np.ndarray:
    return expose(relief.astype(np.float32), optics, np.random.default_rng(0)).astype(float)


def draw_block() -> np.ndarray:
    relief = np.zeros(SHAPE)
    relief[80:100, 90:110] = 1.0
    return relief


def test_a_bare_dish_is_grey_with_the_noise_of_the_camera(even: Optics) -> None:
    image = show(np.zeros(SHAPE), even)
    assert image.mean() == pytest.approx(31700, rel=1e-3)
    assert image.std() == pytest.approx(400, rel=0.03)  # as stated for the bare dish


def test_thick_is_dark_and_its_surroundings_bright(even: Optics) -> None:
    image = show(draw_block(), even)
    bare = image[:30].mean()
    assert image[82:98, 92:108].mean() < bare - 2000
    assert image[74:79, 90:110].mean() > bare + 2000


def test_light_and_contrast_scale_the_image(even: Optics) -> None:
    assert show(np.zeros(SHAPE), replace(even, light=even.light * 0.9)).mean() == pytest.approx(0.9 * 31700, rel=1e-3)
    deep, shallow = (show(draw_block(), replace(even, contrast=contrast)) for contrast in (1.0, 0.5))
    assert shallow[90, 100] - 31700 == pytest.approx((deep[90, 100] - 31700) / 2, abs=1500)


def test_out_of_focus_is_smoother(even: Optics) -> None:
    sharp, soft = (np.abs(np.diff(show(draw_block(), replace(even, blur=blur))[90])).max() for blur in (0.6, 3.0))
    assert soft < 0.7 * sharp


def test_grey_values_stay_in_their_range(even: Optics) -> None:
    image = show(100 * draw_block(), even)
    assert (image.min(), image.max()) == (DARKEST, BRIGHTEST)


def test_drawn_optics_fit_the_field() -> None:
    optics = draw_optics(SHAPE, np.random.default_rng(0))
    assert optics.light.shape == optics.grain.shape == SHAPE
    assert optics.light.mean() == pytest.approx(1, abs=0.15)
    assert optics.grain.std() == pytest.approx(0.012 * np.sqrt(2), rel=0.05)
