import numpy as np
import pytest
from scipy.ndimage import label

from livecell_monai.data.stream import obstacles
from livecell_monai.data.stream.obstacles import add_obstacles
from livecell_monai.data.stream.ranges import Dirt, Obstacle

SHAPE = (128, 160)
SEEDS = range(12)


def cover(seed: int, light: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The light with obstacles, and where the label is erased."""
    ids = np.ones(SHAPE, np.int32)
    shown = add_obstacles(np.ones(SHAPE, np.float32) if light is None else light, ids, np.random.default_rng(seed))
    return shown, ids == 0


def set_share(monkeypatch: pytest.MonkeyPatch, wall: float, bubbles: float, **ranges: object) -> None:
    monkeypatch.setattr(obstacles, "DIRT", Dirt(wall=wall, bubbles=bubbles))
    monkeypatch.setattr(obstacles, "OBSTACLE", Obstacle(**ranges))  # type: ignore[arg-type]


def test_without_obstacles_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    set_share(monkeypatch, 0.0, 0.0)
    light = np.random.default_rng(0).uniform(0.5, 1.5, SHAPE).astype(np.float32)
    shown, erased = cover(0, light)
    assert np.array_equal(shown, light)
    assert not erased.any()


@pytest.mark.parametrize(("wall", "bubbles"), [(1.0, 0.0), (0.0, 1.0)])
def test_cells_behind_an_obstacle_are_erased_and_the_others_stay(
    wall: float, bubbles: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_share(monkeypatch, wall, bubbles)
    erased = np.array([cover(seed)[1].mean() for seed in SEEDS])
    assert 0.05 < erased.mean() < 0.8
    assert len(set(erased.tolist())) > 6


def test_an_obstacle_has_bands_from_dark_to_bright(monkeypatch: pytest.MonkeyPatch) -> None:
    set_share(monkeypatch, 1.0, 0.0, contrast=(0.9, 1.0), saturated=0.0)
    covered = [shown[erased] for shown, erased in map(cover, SEEDS) if erased.sum() > 500]
    assert all((light > 0).all() for light in covered)
    ratios = [float(np.divide(*np.percentile(light, (95, 5)))) for light in covered]
    assert np.median(ratios) > 4  # the field itself has the light 1 everywhere


def test_a_strip_has_cells_at_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    set_share(monkeypatch, 1.0, 0.0, strip=1.0, strip_half=(10.0, 12.0), fray=(0.0, 0.1), curvature=(20.0, 30.0))
    sides = [label(~cover(seed)[1])[1] for seed in SEEDS]
    assert max(sides) == 2  # some strips pass beside the field
    set_share(monkeypatch, 1.0, 0.0, strip=0.0, fray=(0.0, 0.1), curvature=(20.0, 30.0))
    assert max(label(~cover(seed)[1])[1] for seed in SEEDS) == 1


def test_an_exposure_for_the_cells_limits_the_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    light = np.random.default_rng(0).uniform(0.9, 1.1, SHAPE).astype(np.float32)
    for saturated, most in ((1.0, 0.21), (0.0, np.inf)):
        set_share(monkeypatch, 1.0, 0.0, saturated=saturated, headroom=(0.0, 0.01), contrast=(0.9, 1.0))
        widest = max(float(np.ptp(cover(seed, light)[0])) for seed in SEEDS)
        assert widest < most
    assert widest > 0.5
