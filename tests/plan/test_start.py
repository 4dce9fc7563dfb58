"""What a start changes in a plan."""

from livecell_monai.plan import plan_start, plan_zero_shot
from livecell_monai.plan.recipe import LEARNING_RATE as FROM_RANDOM


def test_random_weights_change_nothing_else():
    found = plan_start("none", "because", is_general=False)
    assert {name: (choice.value, choice.reason) for name, choice in found.items()} == {"start": ("none", "because")}


def test_a_start_learns_at_half_the_rate():
    found = plan_start("auto", "because", is_general=False)
    assert (found["start"].value, found["start"].reason) == ("auto", "because")
    assert found["lr"].value == FROM_RANDOM / 2
    assert found.keys() == {"start", "lr"}


def test_a_general_start_keeps_a_share():
    """A network of one training does not: it knows no more kinds of images."""
    found = plan_start("auto", "because", is_general=True)
    assert 0 < found.pop("start_share").value < 1
    assert found == plan_start("auto", "because", is_general=False)


def test_without_a_training_the_scale_brings_cells_to_the_size_that_the_start_expects():
    assert plan_zero_shot(80.0, 40.0) == {"scale": 0.5, "seed_depth": 4.0, "cell_diameter": 80.0, "min_cell_area": 251}
    assert plan_zero_shot(80.0, 80.0)["scale"] == 1.0
    assert plan_zero_shot(10.0, 40.0)["scale"] == 4.0
