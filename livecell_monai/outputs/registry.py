"""The outputs by name, as in the setting `outputs`."""

from collections.abc import Callable, Sequence

from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import Output, OutputOptions
from livecell_monai.outputs.confluency import ConfluencyPlot
from livecell_monai.outputs.mask import Mask
from livecell_monai.outputs.overlay import Overlay
from livecell_monai.outputs.probability import Probability
from livecell_monai.outputs.summary import Summary
from livecell_monai.plugins import load_plugins

GROUP = "outputs"  #: entry points of other packages
BUILT_IN: dict[str, Callable[[OutputOptions], Output]] = {
    "mask": Mask,
    "probability": Probability,
    "overlay": Overlay,
    "summary": Summary,
    "confluency": ConfluencyPlot,
}
DEFAULT = ("mask", "summary", "confluency")  #: default of the setting


def make_outputs(names: Sequence[str], options: OutputOptions) -> dict[str, Output]:
    """New outputs by name, in the order of the names; duplicates count once.

    Raises:
        SettingError: a name is unknown, or `names` is empty.
    """
    known = {**load_plugins(GROUP), **BUILT_IN}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        got = repr(unknown[0]) if unknown else "none"
        raise SettingError(f"setting outputs must list some of {', '.join(known)}, got {got}; correct it")
    return {name: known[name](options) for name in names}
