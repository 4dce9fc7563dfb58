"""ONNX models are run as they are; those that need other files or libraries are rejected."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from livecell_monai.errors import BundleError, SettingError
from livecell_monai.network.onnx_model import OnnxModel
from tests.support.foreign_models import make_model, save

GREY = [1, 1, "y", "x"]


def port(name, shape=GREY, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def graph_of(nodes, inputs=("a",), weights=()):
    return helper.make_graph(nodes, "g", [port(name) for name in inputs], [port("out")], list(weights))


def external():
    tensor = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


class TestRuns:
    def test_gives_the_outputs_of_an_image(self):
        model = OnnxModel(make_model([(2.0, 1.0), (-1.0, 0.0)]), "a.onnx")
        values = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
        (found,) = model(values)
        np.testing.assert_allclose(found, np.concatenate([values * 2 + 1, -values], axis=1))
        assert (model.input.name, model.input.shape) == ("input", (1, 1, None, None))
        assert [(one.name, one.shape, one.is_bounded) for one in model.outputs] == [("output", (1, 2, None, None), False)]

    def test_knows_that_a_sigmoid_is_bounded(self):
        assert OnnxModel(make_model([(1.0, 0.0)], last="Sigmoid"), "a.onnx").outputs[0].is_bounded

    def test_converts_to_the_type_of_the_input(self):
        nodes = [helper.make_node("Cast", ["a"], ["out"], to=TensorProto.FLOAT)]
        graph = helper.make_graph(nodes, "g", [port("a", kind=TensorProto.UINT8)], [port("out")])
        model = OnnxModel(save(graph), "a.onnx")
        (found,) = model(np.full((1, 1, 2, 2), 7.0, np.float32))
        assert (found.dtype, found.max()) == (np.float32, 7)
        with pytest.raises(BundleError, match=r"takes values from 0 to 255 \(uint8\), got 300 to 300; convert the images"):
            model(np.full((1, 1, 2, 2), 300.0, np.float32))

    def test_a_size_that_it_does_not_take_is_one_line(self):
        model = OnnxModel(make_model([(1.0, 0.0)], input_shape=(1, 1, 16, 16)), "a.onnx")
        with pytest.raises(BundleError, match=r"a.onnx: the model must take an input of 1 x 1 x 8 x 8, it fails: "):
            model(np.zeros((1, 1, 8, 8), np.float32))


class TestRejects:
    @pytest.mark.parametrize("content", [b"", b"no model", make_model([(1.0, 0.0)])[:-40]], ids=["empty", "text", "cut"])
    def test_what_is_no_model(self, content):
        with pytest.raises(BundleError, match=r"^a.onnx: must be an ONNX model, it cannot be loaded: |must have one input"):
            OnnxModel(content, "a.onnx")

    @pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
    def test_weights_in_other_files(self, where):
        add, constant = helper.make_node("Add", ["a", "w"], ["out"]), helper.make_node("Constant", [], ["w"])
        constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=external())
        graph = graph_of([add], weights=[external()])
        if where == "constant":
            graph = graph_of([constant, add])
        if where == "branch":
            inner = helper.make_graph([], "inner", [], [port("w")], [external()])
            both = {"then_branch": inner, "else_branch": inner}
            graph = graph_of([helper.make_node("If", ["c"], ["w"], **both), add])
        content = helper.make_model(graph).SerializeToString()
        with pytest.raises(BundleError, match="the weights must be in the model file, some are in another file"):
            OnnxModel(content, "a.onnx")

    def test_operators_of_other_libraries(self):
        content = helper.make_model(
            graph_of([helper.make_node("PyOp", ["a"], ["out"], domain="ai.custom")])
        ).SerializeToString()
        with pytest.raises(BundleError, match=r"must have only operators of ONNX, got some of 'ai\.custom'"):
            OnnxModel(content, "a.onnx")

    def test_several_inputs(self):
        content = save(graph_of([helper.make_node("Add", ["a", "b"], ["out"])], inputs=("a", "b")))
        with pytest.raises(BundleError, match=r"must have one input of grey values, got a \(tensor\(float\)\), b \("):
            OnnxModel(content, "a.onnx")

    @pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
    def test_a_missing_library(self, monkeypatch, name):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(
            SettingError, match=rf"needs the library {name}, not installed; pip install 'livecell-monai\[export"
        ):
            OnnxModel(make_model([(1.0, 0.0)]), "a.onnx")


def test_memory_that_runs_out_is_reported_as_such():
    """So that smaller windows are tried."""
    model = OnnxModel(make_model([(1.0, 0.0)]), "a.onnx")

    class Session:
        def run(self, *_):
            raise RuntimeError("Failed to allocate memory for requested buffer of size 4000000000000")

    model.session = Session()
    with pytest.raises(MemoryError, match="Failed to allocate"):
        model(np.zeros((1, 1, 8, 8), np.float32))
