"""The network as an OpenVINO model with most convolutions in 8-bit integers, which are faster.

Weights are rounded per output channel, maps by their ranges in training. The model is built node by node: OpenVINO's own
converter takes seconds, as long as a dozen images.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018.
"""

import sys
from collections.abc import Mapping
from functools import cache, partial, reduce
from typing import Any

import numpy as np
from monai.networks.blocks import ResidualUnit
from monai.networks.layers import SkipConnection
from numpy.typing import NDArray
from torch import nn

from livecell_monai.network.map_ranges import STEPS, Range, is_rounded, step_of
from livecell_monai.network.unet import EPSILON, Ensemble, UNet

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # openvino then uses its stub
import openvino  # noqa: E402
from openvino import opset15 as nodes  # noqa: E402

__all__ = ["build_model", "compile_model", "get_core", "openvino"]


def build_model(network: UNet | Ensemble, ranges: Mapping[str, Range]) -> openvino.Model:
    """The model from images (B, 1, Y, X) to logits (B, C, Y, X), both float32.

    The network must be in evaluation mode, with fused batch norms; the ranges are those of `measure_ranges`.

    Raises:
        KeyError: the range of a convolution is missing.
        TypeError: the network has an unknown module.
    """
    image = nodes.parameter([-1, 1, -1, -1], np.float32)
    rounded = {module: ranges[name] for name, module in network.named_modules() if is_rounded(module)}
    return openvino.Model([_build(network, image, rounded)], [image])


def compile_model(model: openvino.Model, threads: int, bf16: bool = False) -> Any:
    """An infer request for one calling thread, which uses so many threads; bf16 is for what is not in integers."""
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "ENABLE_CPU_PINNING": False,  # else two requests, or two processes, share the same cores
    }
    return get_core().compile_model(model, "CPU", settings).create_infer_request()


@cache
def get_core() -> Any:
    """The only core of this process, never released.

    Each core replaces the stack that signal handlers run on. If several are released in the order of their creation, that
    stack is freed while it is in use, and the next Ctrl-C crashes the process (seen in openvino 2026.4.1).
    """
    return openvino.Core()


def _build(module: Any, maps: Any, ranges: Mapping[nn.Module, Range]) -> Any:
    """The node of a module applied to the maps (B, C, Y, X) of another node; ranges of the convolutions in integers."""
    build = partial(_build, ranges=ranges)
    match module:
        case UNet():
            return reduce(lambda made, part: build(part, made), module.children(), maps)
        case nn.Sequential():
            return reduce(lambda made, part: build(part, made), module, maps)
        case Ensemble():
            found = [nodes.sigmoid(build(member, maps)) for member in module.members]
            mean = nodes.divide(reduce(nodes.add, found), np.float32(len(found)))
            mean = nodes.clamp(mean, EPSILON, 1 - EPSILON)
            return nodes.log(nodes.divide(mean, nodes.subtract(np.float32(1), mean)))
        case ResidualUnit():
            return nodes.add(build(module.conv, maps), build(module.residual, maps))
        case SkipConnection():
            return nodes.concat([maps, build(module.submodule, maps)], 1)
        case nn.Identity() | nn.Dropout2d():
            return maps
        case nn.ReLU():
            return nodes.relu(maps)
        case nn.MaxPool2d():
            edges = [int(str(module.kernel_size))] * 2
            return nodes.max_pool(maps, edges, [1, 1], [0, 0], [0, 0], edges).output(0)
        case nn.InstanceNorm2d():
            even = nodes.mvn(maps, np.array([2, 3]), normalize_variance=True, eps=module.eps, eps_mode="inside_sqrt")
            return nodes.add(nodes.multiply(even, _by_channel(module.weight)), _by_channel(module.bias))
        case nn.PixelUnshuffle():
            return nodes.space_to_depth(maps, "depth_first", module.downscale_factor)
        case nn.PixelShuffle():
            return nodes.depth_to_space(maps, "depth_first", module.upscale_factor)
        case nn.Conv2d() | nn.ConvTranspose2d():
            return _convolve(module, maps, ranges.get(module))
    raise TypeError(f"{type(module).__name__} must be a module that has a node here")


def _convolve(module: nn.Conv2d | nn.ConvTranspose2d, maps: Any, ends: Range | None) -> Any:
    """The node of a convolution, in integers if its input has a range."""
    is_up = isinstance(module, nn.ConvTranspose2d)
    weight: Any = module.weight.detach().float().contiguous().numpy()
    if ends is not None:
        maps, weight = _round_maps(maps, ends), _round_weight(weight, axis=int(is_up))
    padding = {"pads_begin": list(module.padding), "pads_end": list(module.padding)}
    make = nodes.convolution_backprop_data if is_up else nodes.convolution
    made = make(maps, weight, strides=list(module.stride), dilations=list(module.dilation), **padding)
    return made if module.bias is None else nodes.add(made, _by_channel(module.bias))


def _by_channel(values: Any) -> NDArray[np.float32]:
    found: NDArray[np.float32] = values.detach().float().numpy().reshape(1, -1, 1, 1)
    return found


def _round_maps(maps: Any, ends: Range) -> Any:
    low, step = step_of(ends)
    both = np.float32(low), np.float32(low + STEPS * step)
    return nodes.fake_quantize(maps, *both, *both, levels=STEPS + 1)


def _round_weight(weight: NDArray[np.float32], axis: int) -> Any:
    """Weights rounded to values symmetric about 0, for each channel along an axis."""
    others = tuple(other for other in range(weight.ndim) if other != axis)
    most = np.maximum(np.abs(weight).max(axis=others, keepdims=True), np.float32(1e-12))
    return nodes.fake_quantize(weight, -most, most, -most, most, levels=STEPS)
