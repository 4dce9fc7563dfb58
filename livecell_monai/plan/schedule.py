"""When the learning rate falls."""

from livecell_monai.errors import SettingError
from livecell_monai.settings import check_values


def choose_lr_step(lr_step: int | str, epochs: int) -> int:
    """Number of epochs after which the learning rate falls, again and again.

    `auto` is two fifths of the run, and at least 1. A run of one epoch has no later one: any step will do.

    Raises:
        SettingError: where the step would never fire within the run.
    """
    check_values({"lr_step": lr_step, "epochs": epochs})
    if isinstance(lr_step, str):
        return max(1, round(0.4 * epochs))
    if lr_step >= epochs > 1:
        raise SettingError(
            f"setting lr_step must be below epochs ({epochs}), or the learning rate never falls within the run, "
            f"got {lr_step}; lower it or set it to auto"
        )
    return lr_step
