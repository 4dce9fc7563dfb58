"""A model of another tool in the place of a network: windows in, logits of its maps out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from livecell_monai.bundle.foreign.description import Description, name_channels
from livecell_monai.bundle.foreign.roles import IGNORE, LOGITS, PIXELS, Role, combine
from livecell_monai.bundle.foreign.tensors import Tensor
from livecell_monai.errors import BundleError
from livecell_monai.network.heads import DISTANCE
from livecell_monai.network.onnx_model import OnnxModel
from livecell_monai.network.unet import EPSILON
from livecell_monai.sample import Pixels
from livecell_monai.transforms.described import apply_step, measure_step

BYTES_PER_PIXEL = 1560.0  # of a forward pass of a U-Net with 64 channels at full resolution
SLACK = 0.02  # beyond [0, 1] that interpolation in a model may cause
FAR = 0.5  # beyond [0, 1]: no rounding
LEAST_STEP = 16  # px: windows of all possible sizes are not compared
BOUNDED_STEPS = ("sigmoid", "softmax", "binarize")


class ForeignNetwork(nn.Module):
    """Runs windows one by one; each is padded to a size that the model takes, by its border pixels.

    Args:
        model: the loaded model.
        description: of its input, outputs and windows.
        roles: of all channels of all outputs, see `settle_units`.
        cell_diameter: px, of a typical cell, for a distance in px.
    """

    def __init__(self, model: OnnxModel, description: Description, roles: Sequence[Role], cell_diameter: float) -> None:
        super().__init__()
        self.model, self.description, self.roles = model, description, roles
        self.cell_diameter = cell_diameter
        self.bytes_per_pixel = BYTES_PER_PIXEL

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, M, Y, X) float32 of the maps for windows (B, 1, Y, X) after the steps before the network."""
        maps = np.stack([self._predict(window) for window in image.float().cpu().numpy()])
        return torch.logit(torch.from_numpy(maps), eps=EPSILON).to(image.device)

    def _predict(self, window: Pixels) -> Pixels:
        values = run_model(self.model, self.description, window)
        for role, plane, name in zip(self.roles, values, name_channels(self.description.outputs), strict=True):
            if role.kind == IGNORE or role.unit:
                continue
            low, high = float(plane.min()), float(plane.max())
            if low < -FAR or high > 1 + FAR:
                unit = PIXELS if role.kind == DISTANCE else LOGITS
                raise BundleError(
                    f"{self.model.where}: values of {name} must be in [0, 1], got {low:.3g} to {high:.3g}; if they are "
                    f"{unit}, say so by model_outputs: {role.kind}:{unit}"
                )
        return combine(self.roles, values, self.cell_diameter)


def run_model(model: OnnxModel, description: Description, window: Pixels) -> Pixels:
    """All channels (C, Y, X) float32 of all outputs for a window (1, Y, X), after the steps after the network.

    Raises a BundleError if the outputs are not those of the description, or have values that are not finite.
    """
    shape = window.shape[-2:]
    size = description.sides.fit((shape[0], shape[1]))
    padded = np.pad(window, ((0, 0), *((0, most - edge) for edge, most in zip(shape, size, strict=True))), mode="edge")
    found = model(_arrange(padded, description.input.axes))
    if len(found) < len(description.outputs):
        raise BundleError(f"{model.where}: must have {len(description.outputs)} outputs, the ONNX file has {len(found)}")
    planes = [_read_output(model, *pair, size) for pair in zip(description.outputs, found, strict=False)]
    values = np.concatenate(planes)[:, : shape[0], : shape[1]]
    if not np.isfinite(values).all():
        raise BundleError(f"{model.where}: the outputs must be finite numbers, some are not; choose another model")
    return values


def _arrange(window: Pixels, axes: str) -> Pixels:
    """A window (1, Y, X) with the axes of the model."""
    plane = window[0] if axes.index("y") < axes.index("x") else window[0].T
    places = tuple(place for place, axis in enumerate(axes) if axis not in "yx")
    return np.expand_dims(plane, places)


def _read_output(model: OnnxModel, tensor: Tensor, values: Pixels, size: tuple[int, int]) -> Pixels:
    """The channels (C, Y, X) of an output, after its steps."""
    expected = [{"c": len(tensor.channels), "y": size[0], "x": size[1]}.get(axis, 1) for axis in tensor.axes]
    if list(values.shape) != expected:
        got, wanted = (" x ".join(map(str, shape)) for shape in (values.shape, expected))
        raise BundleError(
            f"{model.where}: the output {tensor.name} must have the shape {wanted} (axes {tensor.axes}) for a window of "
            f"{size[0]} x {size[1]}, got {got}; choose another model"
        )
    order = [tensor.axes.index(axis) for axis in "cyx" if axis in tensor.axes]
    others = [place for place in range(len(tensor.axes)) if place not in order]
    planes = np.transpose(values, [*others, *order]).reshape(len(tensor.channels), *size)
    for step in tensor.steps:
        planes = apply_step(measure_step(step, planes), planes)
    return planes


def settle_units(model: OnnxModel, description: Description, roles: Sequence[Role], sample: Pixels) -> list[Role]:
    """The roles with their units: as stated, else as the model shows them on a window (1, Y, X).

    A model that leaves [0, 1] there gives logits, or a distance in px. The values are in [0, 1] if the description or the
    setting says so, or by the last step.
    """
    values = run_model(model, description, sample)
    tensors = [(index, tensor) for index, tensor in enumerate(description.outputs) for _ in tensor.channels]
    settled = []
    for role, plane, (index, tensor) in zip(roles, values, tensors, strict=True):
        unit = role.unit
        if unit is None:
            steps = [step.name for step in tensor.steps if step.name != "ensure_dtype"]
            is_bounded = steps[-1] in BOUNDED_STEPS if steps else model.outputs[index].is_bounded
            leaves = not is_bounded and (plane.min() < -SLACK or plane.max() > 1 + SLACK)
            unit = "" if not leaves else PIXELS if role.kind == DISTANCE else LOGITS
        settled.append(replace(role, unit=unit))
    return settled
