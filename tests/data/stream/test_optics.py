from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from livecell_monai.data.stream import optics
from livecell_monai.data.stream.layout import Layout, draw_layout
from livecell_monai.data.stream.noise import Plane
from livecell_monai.data.stream.optics import show_bright_field, show_dic, show_phase_contrast
from livecell_monai.data.stream.ranges import Optics

SIDE = 128
Show = Callable[[Plane, Layout, np.random.Generator], Plane]


@pytest.fixture(scope="module")
def empty() -> Layout:
    one = draw_layout((SIDE, SIDE), "round", np.random.default_rng(0))
    zero = np.zeros(1)
    label = np.zeros((SIDE, SIDE), np.int32)
    flat = np.ones((SIDE, SIDE), np.float32)
    return replace(one, label=label, ratio=flat, heights=zero, diameters=zero, rounded=zero > 0, diameter=40.0)


def draw_disc(radius: float, height: float) -> Plane:
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return (height / (1 + np.exp(np.hypot(rows, columns) - radius))).astype(np.float32)


def read_radius(image: Plane, radius: int) -> float:
    """The mean at a distance from the centre."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return float(image[np.abs(np.hypot(rows, columns) - radius) < 1].mean())


@pytest.mark.parametrize("show", [show_phase_contrast, show_bright_field, show_dic])
def test_a_bare_dish_is_one(show: Show, empty: Layout) -> None:
    for seed in range(4):
        image = show(np.zeros((SIDE, SIDE), np.float32), empty, np.random.default_rng(seed))
        np.testing.assert_allclose(image, 1, atol=1e-4)


def test_phase_contrast_has_dark_cells_bright_halos_and_grey_inside_of_large_ones(
    empty: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optics, "OPTICS", Optics(negative=0.0, phase_defocus=(-0.01, 0.01)))
    image = show_phase_contrast(draw_disc(25, 0.4), empty, np.random.default_rng(0))
    rim, inside, halo, far = (read_radius(image, radius) for radius in (23, 3, 28, 60))
    assert rim < 0.85
    assert rim < inside < 1  # the shade-off
    assert halo > 1.03
    assert far == pytest.approx(1, abs=0.03)
    monkeypatch.setattr(optics, "OPTICS", Optics(negative=1.0, phase_defocus=(-0.01, 0.01)))
    assert read_radius(show_phase_contrast(draw_disc(25, 0.4), empty, np.random.default_rng(0)), 23) > 1.1


def test_bright_field_turns_over_with_the_side_of_the_focus(empty: Layout) -> None:
    centres = [
        show_bright_field(draw_disc(4, 0.3), empty, np.random.default_rng(seed))[SIDE // 2, SIDE // 2] for seed in range(12)
    ]
    assert min(centres) < 0.98
    assert max(centres) > 1.02


def test_dic_is_bright_on_one_side_and_dark_on_the_other(empty: Layout) -> None:
    image = show_dic(draw_disc(20, 1.0), empty, np.random.default_rng(1))
    assert image.max() > 1.05
    assert image.min() < 0.95
    top, bottom = np.unravel_index(image.argmax(), image.shape), np.unravel_index(image.argmin(), image.shape)
    middle = (np.array(top) + np.array(bottom)) / 2
    np.testing.assert_allclose(middle, SIDE // 2, atol=3)
