"""The weight of foreground pixels in the loss."""

import math
from collections.abc import Iterable

from livecell_monai.data.readers.kinds import read_label
from livecell_monai.sample import Sample
from livecell_monai.settings import check_setting


def choose_pos_weight(pos_weight: float | str, samples: Iterable[Sample]) -> float:
    """Resolve `pos_weight`, the factor on the loss of foreground pixels.

    `balanced` is background / foreground, means over images: both classes get the same total weight, but masks become too
    large. `auto` is its square root.

    Args:
        pos_weight: a number above 0, `auto` or `balanced`.
        samples: training samples with labels; pixels outside of their regions are not counted.

    Raises:
        SettingError: another value.
    """
    check_setting("pos_weight", pos_weight)
    if not isinstance(pos_weight, str):
        return float(pos_weight)
    ratio = _background_over_foreground(samples)
    return ratio if pos_weight == "balanced" else math.sqrt(ratio)


def _background_over_foreground(samples: Iterable[Sample]) -> float:
    fractions = []
    for sample in samples:
        if sample.label is None:
            continue
        label = read_label(sample.label)
        part = label if sample.region is None else sample.region.crop(label)
        fractions.append(max(1, int((part > 0).sum())) / part.size)
    return len(fractions) / sum(fractions) - 1 if fractions else 0.0
