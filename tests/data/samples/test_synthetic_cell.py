import numpy as np
import pytest
from scipy import ndimage

from livecell_monai.data.samples.synthetic_cell import (
    FLAT,
    KINDS,
    LARGEST,
    ROUND,
    SPINDLE,
    Arms,
    Kind,
    draw_noise,
    draw_outline,
    draw_relief,
    keep_largest,
    measure_radii,
)


def measure_roundness(mask: np.ndarray) -> float:
    """Area divided by that of the disc of the same reach: 1 for a disc, small for a long thin shape."""
    y, x = np.nonzero(mask)
    reach = np.hypot(y - y.mean(), x - x.mean()).max()
    return float(mask.sum() / (np.pi * reach**2))


@pytest.mark.parametrize("kind", KINDS)
def test_outline_is_one_piece_of_the_wanted_size(kind: Kind) -> None:
    for seed in range(12):
        mask = draw_outline(kind, np.random.default_rng(seed)).mask
        assert ndimage.label(mask)[1] == 1
        assert np.array_equal(mask, ndimage.binary_fill_holes(mask))
        assert max(mask.shape) <= 2 * LARGEST + 1
        diameter = np.sqrt(4 * mask.sum() / np.pi)
        # Fraying and thin tips take some of the area that the scale was set for.
        assert 0.7 * kind.diameter[0] <= diameter <= 1.15 * kind.diameter[1]


def test_spindles_are_long_and_dividing_cells_round() -> None:
    spindles = [measure_roundness(draw_outline(SPINDLE, np.random.default_rng(seed)).mask) for seed in range(12)]
    rounds = [measure_roundness(draw_outline(ROUND, np.random.default_rng(seed)).mask) for seed in range(12)]
    assert max(spindles) < 0.6 < 0.7 < min(rounds)


def test_relief_stays_within_the_visible_part() -> None:
    rng = np.random.default_rng(3)
    outline = draw_outline(FLAT, rng)
    half = outline.mask.copy()
    half[:, half.shape[1] // 2 :] = False
    relief = draw_relief(half, outline, rng)
    assert relief.dtype == np.float32
    assert np.all(relief[~half] == 0)
    assert relief[half].mean() > 0.1


def test_dividing_cell_shines_in_the_middle_and_around() -> None:
    rng = np.random.default_rng(5)
    outline = draw_outline(ROUND, rng)
    relief = draw_relief(outline.mask, outline, rng)
    depth = ndimage.distance_transform_edt(outline.mask)
    assert relief[depth > 8].mean() < 0 < relief[(depth > 2) & (depth < 4)].mean()
    assert relief[ndimage.binary_dilation(outline.mask, iterations=2) & ~outline.mask].mean() < 0


def test_relief_of_a_sliver_is_flat() -> None:
    outline = draw_outline(SPINDLE, np.random.default_rng(0))
    line = np.zeros_like(outline.mask)
    line[5, :] = True
    assert np.all(draw_relief(line, outline, np.random.default_rng(0)) == 0)


def test_keep_largest_takes_the_larger_piece() -> None:
    mask = np.array([[1, 0, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)
    assert keep_largest(mask).tolist() == [[False, False, True, True], [False, False, True, False], [False] * 4]
    assert not keep_largest(np.zeros((3, 3), dtype=bool)).any()


def test_noise_is_standardised() -> None:
    noise = draw_noise((80, 90), 3.0, np.random.default_rng(0))
    assert noise.shape == (80, 90)
    assert noise.std() == pytest.approx(1, abs=1e-3)


def test_a_cell_without_arms_is_a_disc_and_an_arm_reaches_out() -> None:
    none = np.zeros(0)
    assert np.all(measure_radii(Arms(none, none, none))[1] == 1)
    turns, radii = measure_radii(Arms(np.array([np.pi / 2]), np.array([1.5]), np.array([0.3])))
    assert turns[radii.argmax()] == pytest.approx(np.pi / 2)
    assert radii.max() == pytest.approx(2.5)
    assert radii.min() == pytest.approx(1)
