"""What the description of a model says of its input, outputs and weights, in one form for all formats.

Source: the bioimage.io model description, formats 0.4 and 0.5 (https://github.com/bioimage-io/spec-bioimage-io).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.bundle.foreign import layout_04, layout_05
from livecell_monai.bundle.foreign.files import PackageFiles
from livecell_monai.bundle.foreign.tensors import MAX_CHANNELS, MAX_EDGE, Described, Sides, Tensor
from livecell_monai.bundle.plain_yaml import parse_values
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.network.onnx_model import OnnxModel, Port

FORMATS: dict[str, Callable[[Mapping[str, Any]], Described]] = {"0.4": layout_04.read, "0.5": layout_05.read}
DIRECTIVE = re.compile(r"%YAML[^\n]*\n")  # with which packages begin; YAML is read as 1.2 anyway
STEP = 32  # pixels: the edges of windows are multiples of it where nothing is stated; five levels of pooling


@dataclass(frozen=True)
class Description:
    """A model, as its description states it, or as its ONNX file shows it."""

    title: str  #: name and version
    input: Tensor
    outputs: tuple[Tensor, ...]
    sides: Sides  #: of the windows
    halo: int = 0  #: px at each side of a window whose values must not be used
    weights: str = ""  #: file in the package
    sha256: str | None = None  #: of the weights; None if it is not stated


def read_description(files: PackageFiles) -> Description:
    """The description of a package; a BundleError if it is of a model that cannot be run here."""
    where, content = f"{files.path}: {files.description}", parse_description(files)
    version = str(content.get("format_version"))
    read = FORMATS.get(".".join(version.split(".")[:2]))
    if content.get("type", "model") != "model" or read is None:
        got = f"{content.get('type', 'model')} {version}"
        raise BundleError(f"{where} must describe a model in format {' or '.join(FORMATS)}, got {got[:60]}; choose another")
    try:
        weights, sha256 = _find_weights(content.get("weights"))
        found = read(content)
        _check(found)
    except ValueError as error:
        raise BundleError(f"{where}: {error}; choose another model") from None
    given = f"{content.get('name', '')} {content.get('version') or ''}".split()
    title = " ".join(given)[:80] or files.path.name
    return Description(title, found.input, found.outputs, found.sides, found.halo, weights, sha256)


def parse_description(files: PackageFiles) -> dict[str, Any]:
    """The values of the description of a package; a BundleError if it is no YAML mapping."""
    where = f"{files.path}: {files.description}"
    try:
        text = files.read_description()
        start = DIRECTIVE.match(text)
        content = parse_values(text[start.end() :] if start else text, f"{where} must be a YAML file")
    except SettingError as error:
        raise BundleError(str(error)) from error
    if not isinstance(content, dict):
        raise BundleError(f"{where} must be a mapping, got {str(content)[:40]!r}; choose a bioimage.io package")
    return content


def describe_onnx(model: OnnxModel, path: Path) -> Description:
    """What a bare ONNX model shows of itself; a BundleError if it is no model of grey planes."""
    try:
        axes = _guess_axes(model.input, "input")
        if model.input.shape[axes.index("c")] not in (None, 1):
            raise ValueError(f"the input must have one channel, it has {model.input.shape[axes.index('c')]}")
        outputs = tuple(_describe_output(port, axes) for port in model.outputs)
        edges = [model.input.shape[axes.index(axis)] for axis in "yx"]
        if max(edge or 0 for edge in edges) > MAX_EDGE:
            raise ValueError(f"the input must be at most {MAX_EDGE} px high and wide, it is {edges[0]} x {edges[1]}")
    except ValueError as error:
        raise BundleError(f"{path}: {error}; choose another model, or a bioimage.io package that describes it") from None
    sides = Sides((edges[0] or STEP, edges[1] or STEP), (0 if edges[0] else STEP, 0 if edges[1] else STEP))
    return Description(path.name, Tensor(model.input.name, axes, ("",)), outputs, sides)


def _describe_output(port: Port, axes: str) -> Tensor:
    if len(port.shape) != len(axes):
        raise ValueError(
            f"the output {port.name} must have the axes of the input ({', '.join(axes)}), it has {len(port.shape)}"
        )
    channels = port.shape[axes.index("c")]
    if channels is None or channels > MAX_CHANNELS:
        raise ValueError(f"the output {port.name} must have a fixed number of channels, it has {channels or 'any'}")
    return Tensor(port.name, axes, ("",) * channels)


def _guess_axes(port: Port, what: str) -> str:
    """The order of the axes of an input with 4 of them: one of 1 is that of channels, else the first after the batch."""
    if len(port.shape) != 4:
        got = " x ".join(str(edge or "any") for edge in port.shape)
        raise ValueError(f"the {what} must have 4 axes (batch, channel, y, x), it has {len(port.shape)} ({got})")
    return "byxc" if port.shape[1] != 1 and port.shape[3] == 1 else "bcyx"


def _find_weights(weights: Any) -> tuple[str, str | None]:
    """File and SHA-256 of the ONNX weights."""
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError("weights must list at least one file, it lists none")
    onnx = weights.get("onnx")
    if not isinstance(onnx, Mapping):
        raise ValueError(
            f"weights must have onnx, it has only {', '.join(map(str, weights))[:80]}, which need code of the package, and "
            "that is not run"
        )
    if onnx.get("external_data") is not None:
        raise ValueError("the onnx weights must be in one file, some are external_data")
    source, sha256 = onnx.get("source"), onnx.get("sha256")
    if not isinstance(source, str) or not source:
        raise ValueError(f"the onnx weights must name their file as source, got {str(source)[:40]!r}")
    if sha256 is not None and not isinstance(sha256, str):
        raise ValueError(f"the sha256 of the onnx weights must be a text, got {str(sha256)[:40]!r}")
    return source.removeprefix("./"), sha256


def _check(found: Described) -> None:
    """Reject, by a ValueError, a model that is not of one grey plane."""
    _check_axes(found.input, "input")
    if len(found.input.channels) != 1:
        raise ValueError(f"the input must have one channel of grey values, it has {len(found.input.channels)}")
    if not found.outputs:
        raise ValueError("the model must have an output, it has none")
    for output in found.outputs:
        _check_axes(output, "output")
    if 2 * found.halo >= min(found.sides.least) and 0 in found.sides.step:
        raise ValueError(f"windows of {min(found.sides.least)} px must be larger than twice their halo of {found.halo} px")


def _check_axes(tensor: Tensor, what: str) -> None:
    if not {"y", "x"} <= set(tensor.axes) or len(set(tensor.axes)) != len(tensor.axes):
        raise ValueError(f"the {what} {tensor.name} must have y and x among its axes, got {', '.join(tensor.axes)}")


def name_channels(outputs: Sequence[Tensor]) -> list[str]:
    """A name for each channel of all outputs, for messages: that of the channel, else of the tensor, with its index."""
    return [
        channel or (tensor.name if len(tensor.channels) == 1 else f"{tensor.name}[{index}]")
        for tensor in outputs
        for index, channel in enumerate(tensor.channels)
    ]
