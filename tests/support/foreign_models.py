"""Tiny ONNX models, and bioimage.io packages around them, written by hand as their formats define them."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx
import tifffile
from onnx import TensorProto, helper, numpy_helper

GAIN, LEVEL = 12.0, 0.5  # of the foreground: the probability that a normalised grey value is above a level


def make_model(channels, input_shape=(1, 1, "y", "x"), last=None, axes="bcyx", name="input"):
    """The bytes of a model; each channel is (3 x 3 kernel or a number for a single pixel, bias), `last` its last operator.

    Channels are `(kernel, bias)`, joined along the channel axis; the input has the axes in the order of `axes`.
    """
    kernels = np.zeros((len(channels), 1, 3, 3), np.float32)
    for place, (kernel, _) in enumerate(channels):
        kernels[place, 0] = kernel if np.ndim(kernel) else 0
        if not np.ndim(kernel):
            kernels[place, 0, 1, 1] = kernel
    bias = np.array([each for _, each in channels], np.float32)
    first, final = ("image", "raw") if axes == "byxc" else (name, "output")
    planes = "planes" if last else final
    nodes = [helper.make_node("Conv", [first, "w", "b"], [planes], pads=[1, 1, 1, 1])]
    if last:
        nodes.append(helper.make_node(last, [planes], [final], **({"axis": 1} if last == "Softmax" else {})))
    output_shape = [input_shape[0], len(channels), *input_shape[2:]]
    if axes == "byxc":
        nodes.insert(0, helper.make_node("Transpose", [name], [first], perm=[0, 3, 1, 2]))
        nodes.append(helper.make_node("Transpose", [final], ["output"], perm=[0, 2, 3, 1]))
        output_shape = [*input_shape[:3], len(channels)]
    weights = [numpy_helper.from_array(kernels, "w"), numpy_helper.from_array(bias, "b")]
    ports = [
        [helper.make_tensor_value_info(each, TensorProto.FLOAT, list(shape))]
        for each, shape in ((name, input_shape), ("output", output_shape))
    ]
    graph = helper.make_graph(nodes, "tiny", *ports, weights)
    return save(graph)


def save(graph):
    """The bytes of a model of a graph."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def of_foreground(gain=GAIN, level=LEVEL):
    """The channel of logits of the foreground: above 0 where a value is above the level."""
    return gain, -gain * level


def describe_05(weights, channels=("foreground",), size=None, halo=0, steps=None, after=None, more="", axes="bcyx"):
    """The text of rdf.yaml in format 0.5 for the weights (bytes)."""
    size = {"min": 32, "step": 16} if size is None else size

    def show(axis, of_output):
        if axis == "b":
            return "{type: batch}"
        if axis == "c":
            return f"{{type: channel, channel_names: [{', '.join(channels if of_output else ['grey'])}]}}"
        if axis == "z":
            return "{type: space, id: z, size: 1}"
        if of_output and halo:
            return f"{{type: space, id: {axis}, halo: {halo}, size: {{tensor_id: raw, axis_id: {axis}}}}}"
        shown = f"{{tensor_id: raw, axis_id: {axis}}}" if of_output else str(size).replace("'", "")
        return f"{{type: space, id: {axis}, size: {shown}}}"

    before, behind = (f"[{', '.join(each)}]" for each in (steps or (), after or ()))
    return f"""type: model
format_version: 0.5.4
name: Tiny model
version: 1.2.0
description: It finds bright cells.
authors: [{{name: A. Person}}]
license: CC-BY-4.0
timestamp: 2024-05-01T12:00:00
inputs:
- id: raw
  axes: [{", ".join(show(axis, False) for axis in axes)}]
  data: {{type: float32}}
  preprocessing: {before}
outputs:
- id: prediction
  axes: [{", ".join(show(axis, True) for axis in axes)}]
  postprocessing: {behind}
{more}weights:
  onnx: {{source: weights.onnx, sha256: {hashlib.sha256(weights).hexdigest()}, opset_version: 18}}
"""


def describe_04(weights, name="foreground", channels=1, halo=0, steps=(), after=(), shape=None, axes="bcyx", more=""):
    """The text of rdf.yaml in format 0.4 for the weights (bytes)."""
    halos = [halo if axis in "yx" else 0 for axis in axes]
    scale = [0 if axis == "c" else 1 for axis in axes]
    offset = [channels / 2 if axis == "c" else 0 for axis in axes]
    least = [32 if axis in "yx" else 1 for axis in axes]
    step = [16 if axis in "yx" else 0 for axis in axes]
    shape = f"{{min: {least}, step: {step}}}" if shape is None else shape
    return f"""type: model
format_version: 0.4.9
name: Tiny model
version: 0.1.0
inputs:
- name: raw
  axes: {axes}
  data_type: float32
  data_range: [-.inf, .inf]
  shape: {shape}
  preprocessing: [{", ".join(steps)}]
outputs:
- name: {name}
  axes: {axes}
  data_type: float32
  data_range: [-.inf, .inf]
  halo: {halos}
  shape: {{reference_tensor: raw, scale: {scale}, offset: {offset}}}
  postprocessing: [{", ".join(after)}]
{more}weights:
  onnx: {{source: ./weights.onnx, sha256: {hashlib.sha256(weights).hexdigest()}, opset_version: 18}}
"""


def write_package(path, weights, description, name="rdf.yaml", **more):
    """A package with weights and a description: a zip, or a folder without a suffix; `more` are further files."""
    path = Path(path)
    files = {name: description, "weights.onnx": weights, **more}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for each, content in files.items():
                file.writestr(each, content)
        return path
    path.mkdir(parents=True)
    for each, content in files.items():
        (path / each).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def draw_cells(shape=(96, 112), places=((24, 30), (24, 52), (60, 70)), radius=11):
    """Bright discs, the first two of which touch, on a dark background: grey values (Y, X) uint8."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside = np.any([np.hypot(rows - y, columns - x) <= radius for y, x in places], axis=0)
    return np.where(inside, 200, 30).astype(np.uint8)


def write_image(folder, name="a.tif", pixels=None):
    """An image in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, draw_cells() if pixels is None else pixels)
    return folder / name
