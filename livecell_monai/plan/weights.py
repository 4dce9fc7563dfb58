"""How much more a foreground pixel weighs than one of the background."""

import math
from collections.abc import Iterable

from livecell_monai.data.readers.kinds import read_label
from livecell_monai.sample import Sample
from livecell_monai.settings import check_setting


def choose_pos_weight(pos_weight: float | str, samples: Iterable[Sample]) -> float:
    """Factor on the loss of foreground pixels, a number or a word that says how to find it.

    `balanced` is the share of background pixels over that of foreground pixels, means over images, so that both classes
    weigh the same in sum; masks come out too large by it. `auto` is its square root, half way between that and no weight.

    Args:
        pos_weight: a number above 0, `auto` or `balanced`.
        samples: what is trained on, each with a label; pixels outside of a sample's region are not counted.

    Raises:
        SettingError: where it is neither.
    """
    check_setting("pos_weight", pos_weight)
    if not isinstance(pos_weight, str):
        return float(pos_weight)
    ratio = _background_over_foreground(samples)
    return ratio if pos_weight == "balanced" else math.sqrt(ratio)


def _background_over_foreground(samples: Iterable[Sample]) -> float:
    shares = []
    for sample in samples:
        if sample.label is None:
            continue
        label = read_label(sample.label)
        part = label if sample.region is None else sample.region.crop(label)
        shares.append(max(1, int((part > 0).sum())) / part.size)
    return len(shares) / sum(shares) - 1 if shares else 0.0
