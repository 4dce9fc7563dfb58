import pytest
import torch

from livecell_monai.transforms import Obstacles

COUNT, SHAPE = 12, (96, 128)


def cover(probability: float, targets: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches (B, 4, Y, X) with cells everywhere, before and after."""
    image = torch.randn(COUNT, 1, *SHAPE, generator=torch.Generator().manual_seed(9))
    before = torch.cat([image, torch.ones(COUNT, 3, *SHAPE)], dim=1)
    return before, Obstacles(probability)(before.clone(), targets, torch.Generator().manual_seed(seed))


def test_what_an_obstacle_hides_is_background_and_weights_stay() -> None:
    before, after = cover(1.0)
    hidden = after[:, 1] == 0
    assert 0.05 < hidden.float().mean() < 0.8
    assert torch.equal(after[:, 2] == 0, hidden)
    assert torch.equal(after[:, 1][~hidden], before[:, 1][~hidden])
    assert torch.equal(after[:, 3], before[:, 3])
    assert torch.isfinite(after).all()


def test_an_obstacle_differs_from_the_background_more_than_cells_do() -> None:
    _, after = cover(1.0)
    hidden = after[:, 1] == 0
    assert after[:, 0][hidden].abs().quantile(0.9) > 3
    assert (after[:, 0][hidden] > 3).any()
    assert (after[:, 0][hidden] < -3).any()


def test_a_glaring_obstacle_stays_near_the_grey_values_of_a_normalised_image() -> None:
    found = torch.cat([cover(1.0, seed=seed)[1][:, 0] for seed in range(4)])
    assert found.abs().max() == 8  # was above 400
    deviation = found.flatten(1).std(dim=1)
    assert 1 < deviation.median() < 4


def test_the_others_are_as_they_were() -> None:
    before, after = cover(0.5, seed=4)
    changed = (before != after).flatten(1).any(dim=1)
    assert 2 < changed.sum() < 10
    assert torch.equal(before[~changed], after[~changed])


def test_never_draws_no_number() -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    patches = torch.ones(2, 2, 32, 32)
    assert torch.equal(Obstacles(0.0)(patches, 1, generator), torch.ones(2, 2, 32, 32))
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("targets", [1, 2])
def test_the_same_numbers_give_the_same_pixels(targets: int) -> None:
    one, other = (cover(1.0, targets)[1] for _ in range(2))
    assert torch.equal(one, other)
    assert (one[:, 1 + targets :] == 1).all()
