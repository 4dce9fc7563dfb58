"""How much more a foreground pixel weighs than one of the background."""

from collections.abc import Iterable

from livecell_monai.data.formats import read_label
from livecell_monai.errors import SettingError
from livecell_monai.sample import Sample


def choose_pos_weight(pos_weight: float | str, samples: Iterable[Sample]) -> float:
    """Factor on the loss of foreground pixels.

    `auto` is the number of background pixels over that of foreground pixels, counted over the samples' regions alone, so
    that both classes weigh the same in sum.

    Args:
        pos_weight: a number above 0, or `auto`.
        samples: what is trained on, each with a label.

    Raises:
        SettingError: where it is neither.
    """
    if pos_weight == "auto":
        foreground = pixels = 0
        for sample in samples:
            if sample.label is None:
                continue
            label = read_label(sample.label)
            part = label if sample.region is None else sample.region.crop(label)
            foreground += int((part > 0).sum())
            pixels += part.size
        return (pixels - foreground) / max(foreground, 1)
    if isinstance(pos_weight, str) or not pos_weight > 0:
        raise SettingError(f"setting pos_weight must be a number above 0 or auto, got {pos_weight!r}; correct it")
    return float(pos_weight)
