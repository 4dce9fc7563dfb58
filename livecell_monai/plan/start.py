"""The settings of a training that begins from a start, one rule each, and of a prediction by a start that is not trained."""

from typing import Any

from livecell_monai.plan.recipe import Choice, choose_factor, choose_sizes

LEARNING_RATE = 0.001  # half of that from random weights: the first steps must not undo what the start has learned
NONE = "none"


def plan_start(start: str, reason: str) -> dict[str, Choice]:
    """The choices by name for a training from a start, or from random weights if `start` is `none`."""
    if start == NONE:
        return {"start": Choice(NONE, reason)}
    lr = Choice(LEARNING_RATE, "of AdamW, with a short warm-up and a decay to 0; half of that from random weights")
    return {"start": Choice(start, reason), "lr": lr}


def plan_zero_shot(diameter: float, expected: float) -> dict[str, Any]:
    """The settings with which a start that expects cells of one diameter predicts cells of another, both in px."""
    sizes = {name: choice.value for name, choice in choose_sizes(diameter).items()}
    return {"scale": choose_factor(diameter, expected), **sizes}
