"""Chooses settings from a fingerprint and the available time; the constants are from cross-validation on training images."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.plan.fingerprint import Fingerprint
from livecell_monai.runs.atomic import write_file

DIAMETER_PX = 40.0  # of a cell after scaling: the finest level sees its outline, the coarsest its surroundings
NO_SCALING = (0.7, 1.6)  # factors that are not worth the blur of a resampling
SCALE_RANGE = (0.25, 4.0)
PATCH_PX = 256
BATCH_PIXELS = 16 * PATCH_PX**2
SHORT_MINUTES = 1.5  # shorter trainings have too few steps
EPOCH_S = 30  # of training between two validations, if minutes are set
FILTERS = (16, 32, 64, 128, 256)  # channels of each level
LARGE_CELL_PX = 80.0  # after scaling; in larger cells, a pixel of the fifth level covers only a small part of the cell
SMALLEST_CELL = 0.05  # of the area of the median cell
SEED_DEPTH = 0.05  # of the diameter of the median cell
SMALLEST_BORDER_CELL = 0.8  # of the area of the smallest annotated one that the border of an image cuts
FEW_BORDER_CELLS = 5  # fewer do not tell down to which size they are annotated
LEARNING_RATE = 0.002
MIN_ILLUMINATION, MIN_NOISE = 0.5, 0.2  # smallest augmentation, in normalised grey values
SPREAD = 4.5  # typical P99 - P1 of a normalised image


@dataclass(frozen=True)
class Choice:
    """The value of a setting, and the reason for it."""

    value: Any
    reason: str


def plan_training(
    fingerprint: Fingerprint,
    minutes: float = 0.0,
    multiple: int = 32,
    can_add_level: bool = True,
    processes: int = 1,
    has_start: bool = False,
) -> dict[str, Choice]:
    """Choose settings by name, in the order of the bundle's configs; all others keep their defaults.

    Args:
        fingerprint: of the training images.
        minutes: for the whole run; 0 if the number of epochs is set instead.
        multiple: Y and X of the network's input must be multiples of this.
        can_add_level: whether the network may get another level, which doubles the multiple.
        processes: number of processes that share each batch; the batch size is a multiple of it.
        has_start: whether the training begins from a start, which has seen cells at the full scale: short trainings keep it.
    """
    scale = _choose_scale(fingerprint, 0.0 if has_start else minutes)
    # saturated pixels must not set the intensity scale: the percentiles exclude them
    clipped = min(2.0, max(0.1, math.ceil(round(1000 * fingerprint.saturated, 3)) / 10))
    reason = f"in %; {fingerprint.saturated:.2%} of the pixels are saturated"
    plan = {"scale": scale, "percentiles": Choice([clipped, 100 - clipped], reason)}
    cells = _choose_cells(fingerprint)
    plan["maps"] = cells.pop("maps")
    plan["filters"] = filters = _choose_filters(fingerprint, scale.value, can_add_level)
    plan |= cells
    if minutes > 0:
        epochs = min(40, max(4, round(60 * minutes / EPOCH_S)))
        plan["epochs"] = Choice(epochs, f"equal parts of {minutes:g} minutes, with a validation after each")
    deeper = 2 ** (len(filters.value) - len(FILTERS))
    patch = _choose_patch_size(fingerprint, scale.value, multiple * deeper)
    plan["batch_size"] = _choose_batch_size(patch.value, minutes, processes)
    plan["patch_size"] = patch
    plan["zoom"] = _choose_zoom(fingerprint)
    uneven, noise = SPREAD * fingerprint.illumination, SPREAD * fingerprint.noise
    plan["illumination"] = Choice(
        round(min(1.5, max(MIN_ILLUMINATION, 2 * uneven)), 2),
        f"normalised grey values: the illumination of the images is uneven by {uneven:.2f}",
    )
    plan["noise"] = Choice(
        round(min(0.6, max(MIN_NOISE, noise)), 2), f"normalised grey values: the noise of the images is {noise:.2f}"
    )
    plan["pos_weight"] = Choice(
        1.0, f"{fingerprint.foreground:.1%} is foreground; the Dice term of the default loss balances the classes"
    )
    plan["lr"] = Choice(LEARNING_RATE, "of AdamW, with a short warm-up and a decay to 0; suits this batch size")
    return plan


def write_plan(path: str | Path, plan: Mapping[str, Choice], head: str = "") -> None:
    """Write a plan as an overlay on the bundle's configs, see `format_plan`."""
    write_file(Path(path), format_plan(plan, head))


def format_plan(plan: Mapping[str, Choice], head: str = "") -> str:
    """The plan as YAML, an overlay on the bundle's configs: each value with its reason, below `head` as a comment."""
    top = ["The plan of a training: an overlay on inference.yaml and train.yaml.", *head.splitlines()]
    # JSON is valid YAML, and quotes strings if needed
    values = [f"{name}: {json.dumps(choice.value)}  # {choice.reason}" for name, choice in plan.items()]
    return "\n".join([*(f"# {line}".rstrip() for line in top), "", *values, ""])


def _choose_scale(fingerprint: Fingerprint, minutes: float) -> Choice:
    diameter = fingerprint.diameter_px
    if diameter <= 0:
        return Choice(1.0, "scale factor of the images: no cell was measured, so the images keep their size")
    factor = choose_factor(diameter)
    found = f"scale factor of the images: the median cell is {diameter:.0f} px across"
    if 0 < minutes < SHORT_MINUTES:
        return Choice(factor / 2, f"{found}; halved because time is short")
    if factor == 1.0:
        return Choice(1.0, f"{found}, which suits the network (about {DIAMETER_PX:.0f})")
    return Choice(factor, f"{found}; scaled to {factor * diameter:.0f}")


def choose_factor(diameter: float, ideal: float = DIAMETER_PX) -> float:
    """The factor that brings cells of a diameter, in px, to about an ideal one; 1 where a resampling is not worth it."""
    exact = min(max(ideal / diameter, SCALE_RANGE[0]), SCALE_RANGE[1])
    return 1.0 if NO_SCALING[0] <= exact <= NO_SCALING[1] else max(0.25, round(4 * exact) / 4)


def choose_sizes(diameter: float) -> dict[str, Choice]:
    """The settings by which cells of a median diameter, in px, are separated."""
    area, depth = max(1, round(SMALLEST_CELL * math.pi / 4 * diameter**2)), round(max(1.0, SEED_DEPTH * diameter), 1)
    return {
        "seed_depth": Choice(depth, f"px: {SEED_DEPTH:.0%} of the diameter of the median cell"),
        "cell_diameter": Choice(round(max(1.0, diameter), 1), "px: that of the median cell"),
        "min_cell_area": Choice(area, f"px: {SMALLEST_CELL:.0%} of the area of the median cell"),
    }


def _choose_cells(fingerprint: Fingerprint) -> dict[str, Choice]:
    """What separates cells, and the smallest one."""
    diameter, touching = fingerprint.diameter_px, fingerprint.touching
    if touching:
        maps, why = ["foreground", "distance"], f"{touching / fingerprint.cells:.0%} of the cells touch another one"
    else:
        maps, why = ["foreground"], "no annotated cell touches another one, so that necks of the mask separate cells"
    sizes = choose_sizes(diameter)
    sizes["min_border_cell_area"] = _choose_border_area(fingerprint.border_areas, sizes["min_cell_area"].value)
    return {"maps": Choice(maps, why), **sizes}


def _choose_border_area(areas: Sequence[int], least: int) -> Choice:
    """The smallest area of a cell that the border of an image cuts.

    `areas` are those of such annotated cells, `least` is the smallest area of other cells; all are in px.
    """
    known = [area for area in areas if area >= least]
    if len(known) < FEW_BORDER_CELLS:
        return Choice(0, f"px: the border of the images cuts {len(known)} annotated cells, too few to measure")
    reason = (
        f"px: {SMALLEST_BORDER_CELL:.0%} of the smallest of {len(known)} annotated cells that the border of an image cuts"
    )
    return Choice(round(SMALLEST_BORDER_CELL * min(known)), reason)


def _choose_filters(fingerprint: Fingerprint, scale: float, can_add_level: bool) -> Choice:
    diameter, largest = fingerprint.diameter_px * scale, max(fingerprint.sizes[1]) * scale
    width = "16 channels at the finest level: within minutes, wider networks reach lower scores"
    if can_add_level and diameter > LARGE_CELL_PX and largest >= PATCH_PX:
        return Choice([*FILTERS, FILTERS[-1]], f"{width}; a sixth level, because scaled cells are {diameter:.0f} px across")
    return Choice(list(FILTERS), f"{width}; five levels, for cells up to about {LARGE_CELL_PX:.0f} px across")


def _choose_patch_size(fingerprint: Fingerprint, scale: float, multiple: int) -> Choice:
    (smallest, largest), annotated = fingerprint.sizes, fingerprint.longest_px
    longest = max(largest) if annotated is None else annotated
    most = max(multiple, PATCH_PX // multiple * multiple)
    edge = min(most, max(multiple, math.ceil(longest * scale / multiple) * multiple))
    across = edge / (fingerprint.diameter_px * scale) if fingerprint.diameter_px > 0 else 0.0
    cells = f"{across:.0f} cells across" if across else "no cell was measured"
    found = f"images are {smallest[0]} x {smallest[1]} or larger"
    if annotated is not None:
        found += f", annotated over {annotated} px at most"
    return Choice([edge, edge], f"pixels after scaling: {cells}; {found}")


def _choose_batch_size(patch: list[int], minutes: float, processes: int) -> Choice:
    size = min(64, max(4, BATCH_PIXELS // (patch[0] * patch[1])))
    reason = f"as many pixels as {BATCH_PIXELS // PATCH_PX**2} patches of {PATCH_PX} x {PATCH_PX}"
    if 0 < minutes < SHORT_MINUTES:
        size, reason = max(4, size // 2), "half of the default: in short trainings more steps help more"
    if size % processes:
        size = max(1, size // processes) * processes
        reason += f"; a multiple of the {processes} processes"
    return Choice(size, reason)


def _choose_zoom(fingerprint: Fingerprint) -> Choice:
    found = [diameter for diameter in fingerprint.diameter_by_image if diameter > 0]
    ratio = max(found) / min(found) if found else 1.0
    reach = round(min(2.0, 1.3 * math.sqrt(ratio)), 2)
    reason = f"median cell diameters of the images differ by a factor of {ratio:.2f}; a margin of 30 % for new images"
    return Choice([round(1 / reach, 2), reach], reason)
