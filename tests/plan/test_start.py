"""What a start changes in a plan."""

from livecell_monai.plan import plan_start
from livecell_monai.plan.recipe import LEARNING_RATE as FROM_RANDOM


def test_random_weights_change_nothing_else():
    found = plan_start("none", "because")
    assert {name: (choice.value, choice.reason) for name, choice in found.items()} == {"start": ("none", "because")}


def test_a_start_learns_at_half_the_rate():
    found = plan_start("auto", "because")
    assert (found["start"].value, found["start"].reason) == ("auto", "because")
    assert found["lr"].value == FROM_RANDOM / 2
    assert found.keys() == {"start", "lr"}
