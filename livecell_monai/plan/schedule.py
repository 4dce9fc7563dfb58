"""When the learning rate falls."""

from livecell_monai.errors import SettingError


def choose_lr_step(lr_step: int | str, epochs: int) -> int:
    """Number of epochs after which the learning rate falls, again and again.

    `auto` is two fifths of the run, and at least 1. A run of one epoch has no later one: any step will do.

    Raises:
        SettingError: where the step would never fire within the run.
    """
    if not isinstance(epochs, int) or epochs < 1:
        raise SettingError(f"setting epochs must be a whole number of 1 or more, got {epochs!r}; correct it")
    if lr_step == "auto":
        return max(1, round(0.4 * epochs))
    if not isinstance(lr_step, int) or isinstance(lr_step, bool) or lr_step < 1:
        raise SettingError(f"setting lr_step must be a whole number of 1 or more, or auto, got {lr_step!r}; correct it")
    if lr_step >= epochs > 1:
        raise SettingError(
            f"setting lr_step must be below epochs ({epochs}), or the learning rate never falls within the run, "
            f"got {lr_step}; lower it or set it to auto"
        )
    return lr_step
