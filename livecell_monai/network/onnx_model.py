"""Networks of other tools as ONNX models, run by onnxruntime on the CPU.

A model holds numbers and operators, no Python. Operators of other libraries and weights in other files are rejected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch

from livecell_monai.errors import BundleError, SettingError, describe_error, is_out_of_memory
from livecell_monai.sample import Pixels

EXTERNAL = 1  # `data_location` of a tensor in another file
BOUNDED = ("Sigmoid", "HardSigmoid", "Softmax")  #: operators whose values are in [0, 1]
OWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # of operators that onnxruntime has itself
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
}


@dataclass(frozen=True)
class Port:
    """An input or output of a model."""

    name: str
    shape: tuple[int | None, ...]  #: None for an edge of any length
    last_operator: str = ""  #: that an output comes from

    @property
    def is_bounded(self) -> bool:
        """Whether its values are in [0, 1], by its last operator."""
        return self.last_operator in BOUNDED


class OnnxModel:
    """A loaded model with one input; several threads may run it at once.

    Args:
        content: the file.
        where: its name, for messages.

    Raises:
        SettingError: onnx or onnxruntime is not installed.
        BundleError: it cannot be loaded, needs other files or libraries, or has not one input.
    """

    def __init__(self, content: bytes, where: object) -> None:
        self.where = where
        onnx, runtime = (_import(name, where) for name in ("onnx", "onnxruntime"))
        try:
            graph = onnx.load_model_from_string(content)
        except Exception as error:  # protobuf has errors of its own
            raise _unreadable(where, error) from error
        _check_content(graph, where)
        operators = {name: node.op_type for node in graph.graph.node for name in node.output}
        del graph
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        options.log_severity_level = 4  # its warnings are for those who made the model
        try:
            self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise _unreadable(where, error) from error
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            got = ", ".join(f"{one.name} ({one.type})" for one in inputs) or "none"
            raise BundleError(f"{where}: a model must have one input of grey values, got {got}; choose another model")
        self.type = TYPES[inputs[0].type]
        self.input = _describe(inputs[0])
        self.outputs = [_describe(one, operators.get(one.name, "")) for one in self.session.get_outputs()]

    def __call__(self, values: Pixels) -> list[Pixels]:
        """The outputs, as float32, for an input of its shape; a BundleError if the model fails or lacks such values."""
        _check_range(values, self.type, self.where)
        try:
            found = self.session.run(None, {self.input.name: np.ascontiguousarray(values, self.type)})
        except Exception as error:
            if is_out_of_memory(error) or "alloc" in str(error).lower():
                raise MemoryError(describe_error(error)) from error  # the caller tries smaller windows
            shape = " x ".join(map(str, values.shape))
            raise BundleError(
                f"{self.where}: the model must take an input of {shape}, it fails: {describe_error(error)}; choose another "
                "model, or set window to a size that it takes"
            ) from error
        return [np.asarray(one, np.float32) for one in found]


def _check_range(values: Pixels, kind: Any, where: object) -> None:
    """Reject values that the type of an input cannot hold: they would become other values."""
    kind = np.dtype(kind)
    if kind == np.float32 or kind == np.float64 or not values.size:
        return
    limits = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    low, high = float(values.min()), float(values.max())
    if low < float(limits.min) or high > float(limits.max):
        raise BundleError(
            f"{where}: the model takes values from {float(limits.min):g} to {float(limits.max):g} ({kind}), got {low:g} to"
            f" {high:g}; convert the images to this type, or choose another model"
        )


def _describe(port: Any, operator: str = "") -> Port:
    shape = tuple(edge if isinstance(edge, int) and edge > 0 else None for edge in port.shape)
    return Port(port.name, shape, operator)


def _check_content(model: Any, where: object) -> None:
    """Reject, by a BundleError, a model that needs other files or libraries."""
    graphs = list(_list_graphs(model.graph, *model.functions))
    if any(tensor.data_location == EXTERNAL or len(tensor.external_data) for tensor in _list_tensors(graphs)):
        raise BundleError(f"{where}: the weights must be in the model file, some are in another file; save it as one file")
    domains = {node.domain for graph in graphs for node in graph.node}
    others = sorted(domains - set(OWN_DOMAINS) - {function.domain for function in model.functions})
    if others:
        raise BundleError(
            f"{where}: a model must have only operators of ONNX, got some of {others[0]!r}; choose another model"
        )


def _list_graphs(*graphs: Any) -> Iterator[Any]:
    """Graphs or functions, and the graphs inside of their nodes."""
    waiting = list(graphs)
    while waiting:
        one = waiting.pop()
        yield one
        for each in (attribute for node in one.node for attribute in node.attribute):
            waiting += [*([each.g] if each.HasField("g") else []), *each.graphs]


def _list_tensors(graphs: Sequence[Any]) -> Iterator[Any]:
    """All constant tensors of graphs or functions."""
    for graph in graphs:
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            yield from _list_node_tensors(node)


def _list_node_tensors(node: Any) -> Iterator[Any]:
    for each in node.attribute:
        yield from (each.t, *each.tensors)
        for sparse in (each.sparse_tensor, *each.sparse_tensors):
            yield from (sparse.values, sparse.indices)


def _import(name: str, where: object) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise SettingError(
            f"{where}: an ONNX model needs the library {name}, not installed; pip install 'livecell-monai[export]'"
        ) from error


def _unreadable(where: object, error: Exception) -> BundleError:
    return BundleError(f"{where}: must be an ONNX model, it cannot be loaded: {describe_error(error)}; copy it again")
