"""From a fingerprint and the time that there is to the settings of a training, each with its reason.

The numbers behind the rules were chosen by cross-validation on training images.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.plan.fingerprint import Fingerprint
from livecell_monai.runs.atomic import atomic_path

DIAMETER_PX = 40.0  # of a cell at the working size: the finest level then sees its outline, the coarsest its surroundings
AS_IT_IS = (0.7, 1.6)  # factors on the working size that are not worth the blur of a resampling
WORKING_RANGE = (0.25, 4.0)
PATCH_PX = 256
BATCH_PIXELS = 16 * PATCH_PX**2
SHORT_MINUTES = 1.5  # below, steps are what is scarce
SLICE_S = 30  # of training between two validations, where minutes are given
FILTERS = (16, 32, 64, 128, 256)  # channels by level
LARGE_CELL_PX = 80.0  # at the working size; from there on a pixel of the fifth level is a small part of a cell
LEARNING_RATE = 0.002
LIGHT, GRAIN = 0.5, 0.2  # least changes of light and noise that are trained against, as grey values are normalised
SPREAD = 4.5  # P99 - P1 of a normalised image, about


@dataclass(frozen=True)
class Choice:
    """A setting's value and why it has it."""

    value: Any
    reason: str


def plan_training(
    fingerprint: Fingerprint, minutes: float = 0.0, multiple: int = 32, may_deepen: bool = True, processes: int = 1
) -> dict[str, Choice]:
    """Settings by name, in the order of the bundle's configs; a setting that is not among them keeps its default.

    Args:
        fingerprint: of the images that are trained on.
        minutes: for the whole run; 0 where the number of epochs is given.
        multiple: what Y and X of the network's input must be multiples of, as it is configured.
        may_deepen: whether the network may get another level, which doubles the multiple; False where the user has set
            its levels, or sizes that depend on them.
        processes: that share each batch, which is a multiple of them.
    """
    working = _choose_working_size(fingerprint, minutes)
    plan = {"scale": working, "percentiles": _choose_percentiles(fingerprint)}
    plan["filters"] = filters = _choose_filters(fingerprint, working.value, may_deepen)
    if minutes > 0:
        plan["epochs"] = _choose_epochs(minutes)
    deeper = 2 ** (len(filters.value) - len(FILTERS))
    patch = _choose_patch_size(fingerprint, working.value, multiple * deeper)
    plan["batch_size"] = _choose_batch_size(patch.value, minutes, processes)
    plan["patch_size"] = patch
    plan["zoom"] = _choose_zoom(fingerprint)
    plan["illumination"] = _choose_illumination(fingerprint)
    plan["noise"] = _choose_noise(fingerprint)
    plan["pos_weight"] = Choice(
        1.0, f"{fingerprint.foreground:.1%} is foreground, which the Dice part of the usual loss evens out"
    )
    plan["lr"] = Choice(LEARNING_RATE, "AdamW's, with a short rise and a fall to 0; suits batches of this size")
    return plan


def write_plan(path: str | Path, plan: Mapping[str, Choice], head: str = "") -> None:
    """Write a plan as an overlay of the bundle's configs, see `format_plan`."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(format_plan(plan, head), encoding="utf-8")


def format_plan(plan: Mapping[str, Choice], head: str = "") -> str:
    """The plan as YAML, an overlay of the bundle's configs: each value with its reason in a comment.

    Args:
        plan: settings by name.
        head: what the plan was made from; becomes comments at the top, a line each.
    """
    lines = [
        f"# {line}".rstrip()
        for line in ("A training's plan: an overlay on inference.yaml and train.yaml.", *head.splitlines())
    ]
    # JSON is YAML, and quotes what must be quoted
    return "\n".join(
        [*lines, "", *(f"{name}: {json.dumps(choice.value)}  # {choice.reason}" for name, choice in plan.items()), ""]
    )


def _choose_working_size(fingerprint: Fingerprint, minutes: float) -> Choice:
    diameter = fingerprint.diameter_px
    if diameter <= 0:
        return Choice(1.0, "factor on the image's own size: no cell was measured, so the images are taken as they are")
    ideal = min(max(DIAMETER_PX / diameter, WORKING_RANGE[0]), WORKING_RANGE[1])
    found = f"the median cell is {diameter:.0f} px across"
    factor = 1.0 if AS_IT_IS[0] <= ideal <= AS_IT_IS[1] else max(0.25, round(4 * ideal) / 4)
    if 0 < minutes < SHORT_MINUTES:
        return Choice(factor / 2, f"factor on the image's own size: {found}; halved, for there is little time")
    if factor == 1.0:
        return Choice(1.0, f"factor on the image's own size: {found}, which suits the network (about {DIAMETER_PX:.0f})")
    return Choice(factor, f"factor on the image's own size: {found}; this brings it to {factor * diameter:.0f}")


def _choose_percentiles(fingerprint: Fingerprint) -> Choice:
    # a plateau of saturated pixels must not set the scale: the percentiles stay inside of it
    rim = min(2.0, max(0.1, math.ceil(round(1000 * fingerprint.saturated, 3)) / 10))
    return Choice([rim, 100 - rim], f"in %; {fingerprint.saturated:.2%} of the pixels lie at the end of the range of values")


def _choose_filters(fingerprint: Fingerprint, working: float, may_deepen: bool) -> Choice:
    diameter, largest = fingerprint.diameter_px * working, max(fingerprint.sizes[1]) * working
    width = "16 channels at the finest level: wider ones learn more slowly than they gain in minutes"
    if may_deepen and diameter > LARGE_CELL_PX and largest >= PATCH_PX:
        return Choice([*FILTERS, FILTERS[-1]], f"{width}; a sixth level, for cells are still {diameter:.0f} px across")
    return Choice(list(FILTERS), f"{width}; five levels, for cells up to about {LARGE_CELL_PX:.0f} px across")


def _choose_epochs(minutes: float) -> Choice:
    epochs = min(40, max(4, round(60 * minutes / SLICE_S)))
    return Choice(epochs, f"slices of {minutes:g} minutes, with a validation after each")


def _choose_patch_size(fingerprint: Fingerprint, working: float, multiple: int) -> Choice:
    smallest, largest = fingerprint.sizes
    most = max(multiple, PATCH_PX // multiple * multiple)
    edge = min(most, max(multiple, math.ceil(max(largest) * working / multiple) * multiple))
    across = edge / (fingerprint.diameter_px * working) if fingerprint.diameter_px > 0 else 0.0
    cells = f"{across:.0f} cells across" if across else "no cell was measured"
    return Choice([edge, edge], f"pixels at the working size: {cells}; images are {smallest[0]} x {smallest[1]} or larger")


def _choose_batch_size(patch: list[int], minutes: float, processes: int) -> Choice:
    size = min(64, max(4, BATCH_PIXELS // (patch[0] * patch[1])))
    reason = f"as many pixels as in {BATCH_PIXELS // PATCH_PX**2} patches of {PATCH_PX} x {PATCH_PX}"
    if 0 < minutes < SHORT_MINUTES:
        size, reason = max(4, size // 2), "half of the usual: little time is better spent on more steps"
    if size % processes:
        size = max(1, size // processes) * processes
        reason += f"; a multiple of the {processes} processes"
    return Choice(size, reason)


def _choose_zoom(fingerprint: Fingerprint) -> Choice:
    found = [diameter for diameter in fingerprint.diameter_by_image if diameter > 0]
    ratio = max(found) / min(found) if found else 1.0
    reach = round(min(2.0, 1.3 * math.sqrt(ratio)), 2)
    reason = f"the images' median cells differ by a factor of {ratio:.2f}: covered, and a third more for images to come"
    return Choice([round(1 / reach, 2), reach], reason)


def _choose_illumination(fingerprint: Fingerprint) -> Choice:
    found = SPREAD * fingerprint.illumination
    value = round(min(1.5, max(LIGHT, 2 * found)), 2)
    return Choice(value, f"grey values, normalised: the images' own light is uneven by {found:.2f}")


def _choose_noise(fingerprint: Fingerprint) -> Choice:
    found = SPREAD * fingerprint.noise
    value = round(min(0.6, max(GRAIN, found)), 2)
    return Choice(value, f"grey values, normalised: the images' own noise is {found:.2f}")
