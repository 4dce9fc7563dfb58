import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.data.samples.synthetic_cell import ROUND, STAR
from livecell_monai.data.stream.layout import Layout, draw_layout, measure_depth, relative_size
from livecell_monai.data.stream.ranges import CROWD, PEBBLE, POPULATIONS

SHAPE = (160, 192)


@pytest.fixture(scope="module")
def layouts() -> dict[str, list[Layout]]:
    return {name: [draw_layout(SHAPE, name, np.random.default_rng(seed)) for seed in range(12)] for name in POPULATIONS}


def count_touching(label: np.ndarray) -> int:
    pairs = set()
    for one, other in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
        meet = (one != other) & (one > 0) & (other > 0)
        pairs |= {tuple(sorted(pair)) for pair in zip(one[meet].tolist(), other[meet].tolist(), strict=True)}
    return len(pairs)


@pytest.mark.parametrize("population", POPULATIONS)
def test_cells_are_numbered_pieces_with_a_row_of_properties_each(layouts: dict[str, list[Layout]], population: str) -> None:
    for layout in layouts[population]:
        label, count = layout.label, int(layout.label.max())
        assert label.shape == SHAPE
        assert np.unique(label).tolist() in (list(range(count + 1)), list(range(1, count + 1)))
        assert len(layout.diameters) == len(layout.heights) == len(layout.rounded) == count + 1
        for number in range(1, count + 1):
            assert ndimage.label(label == number)[1] == 1
            assert (label == number).sum() >= 12


def test_places_in_cells_and_nuclei(layouts: dict[str, list[Layout]]) -> None:
    for layout in layouts["spread"]:
        outside = layout.label == 0
        assert (layout.ratio[outside] == 1).all()
        assert (layout.ratio[~outside] < 1).all()
        assert (layout.depth[outside] == 0).all()
        assert (layout.nucleus[outside] == 9).all()
    assert any((layout.nucleus < 1).any() for layout in layouts["spread"])


def test_fields_differ_from_empty_to_crowded_and_sheets_touch(layouts: dict[str, list[Layout]]) -> None:
    covered = [float((one.label > 0).mean()) for many in layouts.values() for one in many]
    assert min(covered) < 0.02
    assert max(covered) > 0.8
    touching = {name: np.mean([count_touching(one.label) for one in many]) for name, many in layouts.items()}
    assert touching["sheet"] > touching["round"]


def test_sizes_spread_around_the_typical_diameter() -> None:
    sizes = [draw_layout((64, 64), "nuclei", np.random.default_rng(seed)).diameter for seed in range(80)]
    assert np.median(sizes) == pytest.approx(CROWD.typical, rel=0.2)
    low, high = CROWD.typical_range
    assert low <= min(sizes) < 25
    assert 60 < max(sizes) <= high


def test_kinds_of_the_sample_set_are_relative_to_40_px() -> None:
    rng = np.random.default_rng(0)
    assert 22 / 40 <= relative_size(ROUND, rng) <= 31 / 40
    assert 34 / 40 <= relative_size(STAR, rng) <= 62 / 40
    assert 0.8 <= relative_size(PEBBLE, rng) <= 1.2


def test_depth_counts_from_the_neighbour_too() -> None:
    label = np.zeros((9, 14), np.int32)
    label[2:7, 2:7], label[2:7, 7:12] = 1, 2
    depth = measure_depth(label)
    assert depth[4].tolist() == [0, 0, 0, 1, 2, 2, 1, 0, 1, 2, 2, 1, 0, 0]
    assert (measure_depth(np.ones((4, 5), np.int32))[1:, 1:] > 1).all()
