"""The settings of a training that begins from a start, one rule each, and of a prediction by a start that is not trained."""

from typing import Any

from livecell_monai.plan.recipe import Choice, choose_factor, choose_sizes

LEARNING_RATE = 0.001  # half of that from random weights: the first steps must not undo what the start has learned
START_SHARE = 0.2  # the trained weights alone know the few annotated images better, and other ones worse
NONE = "none"


def plan_start(start: str, reason: str, is_general: bool) -> dict[str, Choice]:
    """The choices by name for a training from a start, or from random weights if `start` is `none`.

    `is_general` says whether the start has seen cells of many kinds, and not those of one training.
    """
    if start == NONE:
        return {"start": Choice(NONE, reason)}
    lr = Choice(LEARNING_RATE, "of AdamW, with a short warm-up and a decay to 0; half of that from random weights")
    choices = {"start": Choice(start, reason), "lr": lr}
    if is_general:
        choices["start_share"] = Choice(
            START_SHARE, "part of the start in the kept weights; the start knows images unlike the annotated ones"
        )
    return choices


def plan_zero_shot(diameter: float, expected: float) -> dict[str, Any]:
    """The settings with which a start that expects cells of one diameter predicts cells of another, both in px."""
    sizes = {name: choice.value for name, choice in choose_sizes(diameter).items()}
    return {"scale": choose_factor(diameter, expected), **sizes}
