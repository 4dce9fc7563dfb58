"""The step of the learning-rate schedule `step`."""

from livecell_monai.errors import SettingError
from livecell_monai.settings import check_values


def choose_lr_step(lr_step: int | str, epochs: int) -> int:
    """Resolve `lr_step`, the number of epochs between two reductions of the learning rate.

    `auto` is two fifths of the run, and at least 1. In a run of one epoch any step is valid.

    Raises:
        SettingError: a value is out of range, or the rate would never be reduced.
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
