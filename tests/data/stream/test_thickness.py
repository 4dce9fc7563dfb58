from dataclasses import replace

import numpy as np
import pytest

from livecell_monai.data.stream import thickness
from livecell_monai.data.stream.layout import Layout, draw_layout
from livecell_monai.data.stream.ranges import BODY, Dirt
from livecell_monai.data.stream.thickness import draw_cell_noise, draw_nucleoli, draw_thickness

CLEAN = Dirt(specks=(1e-9, 2e-9), smudges=(0.0, 1e-9), ghosts=0.0, fibres=0.0, scratches=0.0)


@pytest.fixture(scope="module")
def layout() -> Layout:
    layouts = (draw_layout((128, 128), "spread", np.random.default_rng(seed)) for seed in range(20))
    return next(one for one in layouts if 0.2 < (one.label > 0).mean() < 0.7 and not one.rounded.any())


def test_cells_are_thicker_than_a_clean_dish(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thickness, "DIRT", CLEAN)
    drawn = draw_thickness(layout, np.random.default_rng(0))
    assert drawn.dtype == np.float32
    assert drawn[layout.label > 0].mean() > 0.1
    assert np.abs(drawn[layout.label == 0]).max() < 1e-6


def test_debris_lies_on_an_empty_dish() -> None:
    empty = draw_layout((128, 128), "round", np.random.default_rng(0))
    label = np.zeros((128, 128), np.int32)
    nothing = np.zeros(1)
    empty = replace(empty, label=label, heights=nothing, diameters=nothing, rounded=nothing > 0)
    drawn = [np.abs(draw_thickness(empty, np.random.default_rng(seed))).max() for seed in range(5)]
    assert max(drawn) > 0.1


def test_spread_cells_end_in_a_thin_lamella(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thickness, "DIRT", CLEAN)
    outer, middle = (layout.label > 0) & (layout.nucleus > 2.5), layout.nucleus < 0.5

    def draw(lamella: float) -> float:
        monkeypatch.setattr(thickness, "BODY", replace(BODY, lamella=(lamella, lamella)))
        drawn = draw_thickness(layout, np.random.default_rng(2))
        return float(drawn[outer].mean() / drawn[middle].mean())

    assert draw(0.3) < 0.8 * draw(1.0)


def test_rounded_cells_are_several_radians_thick(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thickness, "DIRT", CLEAN)
    flat = draw_thickness(layout, np.random.default_rng(1))
    rounded = draw_thickness(replace(layout, rounded=layout.heights > 0), np.random.default_rng(1))
    assert np.quantile(rounded, 0.99) > np.quantile(flat, 0.99)
    assert np.quantile(rounded, 0.999) > 1.5


def test_cell_noise_leaves_the_background_out(layout: Layout) -> None:
    factors = draw_cell_noise(layout, 0.3, np.random.default_rng(0))
    assert factors[0] == 0
    assert (factors[1:] > 0).all()


def test_nucleoli_lie_in_nuclei(layout: Layout) -> None:
    spots = draw_nucleoli(layout, 3.0, 0.8, np.random.default_rng(0))
    assert spots.max() > 0.3
    assert spots[layout.nucleus < 1.2].sum() > 0.9 * spots.sum()
