"""Values for settings that are `auto` or `balanced`."""

import math
from collections.abc import Iterable

from livecell_monai.data.readers.kinds import read_annotation
from livecell_monai.errors import SettingError
from livecell_monai.sample import Sample
from livecell_monai.settings import check_setting, check_values


def choose_lr_step(lr_step: int | str, epochs: int) -> int:
    """Resolve `lr_step`, the number of epochs between two reductions of the learning rate.

    `auto` is two fifths of the run. Raises a SettingError if the rate would never be reduced, except in one epoch.
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


def choose_pos_weight(pos_weight: float | str, samples: Iterable[Sample]) -> float:
    """Resolve `pos_weight`, the factor on the loss of foreground pixels.

    `balanced` is background / foreground of the annotated pixels, means over the images and their regions: both classes get
    the same total weight, but masks become too large. `auto` is its square root. Raises a SettingError for another text or a
    number not above 0.
    """
    check_setting("pos_weight", pos_weight)
    if not isinstance(pos_weight, str):
        return float(pos_weight)
    fractions = []
    for sample in samples:
        if sample.label is not None:
            label = read_annotation(sample)
            part = label if sample.region is None else sample.region.crop(label)
            fractions.append(max(1, int((part > 0).sum())) / max(1, int((part >= 0).sum())))
    ratio = len(fractions) / sum(fractions) - 1 if fractions else 0.0
    return ratio if pos_weight == "balanced" else math.sqrt(ratio)
