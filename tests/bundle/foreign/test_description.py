"""Descriptions of packages and of bare ONNX models, those of bioimage.io's own library among them."""

import numpy as np
import pytest
import yaml

from livecell_monai.bundle.foreign.description import describe_onnx, name_channels, read_description
from livecell_monai.bundle.foreign.files import PackageFiles
from livecell_monai.bundle.foreign.model import ForeignModel
from livecell_monai.bundle.foreign.tensors import Sides, Tensor
from livecell_monai.errors import BundleError
from livecell_monai.network.onnx_model import Port
from tests.support.foreign_models import describe_04, describe_05, make_model, of_foreground, write_package

WEIGHTS = make_model([of_foreground()])


def read(path, text, weights=WEIGHTS):
    return read_description(PackageFiles(write_package(path, weights, text)))


class TestPackages:
    def test_both_formats_say_the_same(self, tmp_path):
        new = read(tmp_path / "a.zip", describe_05(WEIGHTS, halo=8))
        old = read(tmp_path / "b.zip", describe_04(WEIGHTS, halo=8))
        assert (new.title, old.title) == ("Tiny model 1.2.0", "Tiny model 0.1.0")
        for found in (new, old):
            assert (found.sides, found.halo, found.weights) == (Sides((32, 32), (16, 16)), 8, "weights.onnx")
            assert found.sha256 is not None
            assert (found.input.axes, [len(one.channels) for one in found.outputs]) == ("bcyx", [1])

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (("0.5.4", "0.3.6"), "must describe a model in format 0.4 or 0.5, got model 0.3.6"),
            (("0.5.4", "1.0"), "got model 1.0"),
            (("type: model", "type: dataset"), "must describe a model in format 0.4 or 0.5, got dataset 0.5.4"),
            (
                ("onnx: {", "pytorch_state_dict: {"),
                "weights must have onnx, it has only pytorch_state_dict, which need code",
            ),
            (("onnx: {", "torchscript: {"), "weights must have onnx, it has only torchscript, which need code"),
            (("weights:\n  onnx", "other:\n  onnx"), "weights must list at least one file, it lists none"),
            (("source: weights.onnx, ", ""), "the onnx weights must name their file as source, got 'None'"),
            (("opset_version: 18", "external_data: {source: a.data}"), "must be in one file, some are external_data"),
            (
                ("channel_names: [grey]", "channel_names: [r, g, b]"),
                "the input must have one channel of grey values, it has 3",
            ),
            (("outputs:\n", "outputs: []\nothers:\n"), "the model must have an output, it has none"),
            (("min: 32, step: 16", "min: 32"), "the size of the axis y of the input must be a whole number"),
            (("{type: space, id: y, ", "{type: space, id: z, "), "must have y and x among its axes"),
            (("inputs:\n", "inputs:\n- {id: second}\n"), "the model must have one input, an image, it has 2"),
            (("name: Tiny", "name: &a Tiny"), "must be a YAML file of plain values, got an anchor or alias in line"),
            (("name: Tiny model", "name: !!python/name:os.system x"), "of plain values, got a tag in line"),
            (("name: Tiny model", "name: 'Tiny"), "must be a YAML file, got "),
        ],
    )
    def test_what_cannot_be_run_is_one_line(self, tmp_path, change, words):
        text = describe_05(WEIGHTS)
        assert change[0] in text
        with pytest.raises(BundleError, match=words) as error:
            read(tmp_path / "p.zip", text.replace(*change))
        assert str(error.value).startswith(f"{tmp_path / 'p.zip'}: rdf.yaml")

    def test_a_halo_as_large_as_the_window(self, tmp_path):
        read(tmp_path / "a.zip", describe_05(WEIGHTS, size=64, halo=31))
        with pytest.raises(BundleError, match=r"windows of 64 px must be larger than twice their halo of 32 px"):
            read(tmp_path / "b.zip", describe_05(WEIGHTS, size=64, halo=32))

    @pytest.mark.parametrize("start", ["%YAML 1.2", "%YAML 1.2\r", "%YAML 1.1", "%YAML 1.2  # of a library"])
    def test_the_form_that_the_library_of_the_format_writes(self, tmp_path, start):
        text = f"{start}\n---\n{describe_05(WEIGHTS, steps=['{id: ensure_dtype, kwargs: {dtype: float32}}'])}"
        assert read(tmp_path / "a.zip", text).input.steps[0].name == "ensure_dtype"

    def test_text_that_is_no_mapping(self, tmp_path):
        with pytest.raises(BundleError, match=r"rdf.yaml must be a mapping, got '3'"):
            read(tmp_path / "p.zip", "3")


class TestOnnx:
    @pytest.mark.parametrize(
        ("shape", "axes", "sides"),
        [
            ((1, 1, None, None), "bcyx", Sides((32, 32), (32, 32))),
            ((None, None, None, None), "bcyx", Sides((32, 32), (32, 32))),
            ((1, 256, 128, 1), "byxc", Sides((256, 128), (0, 0))),
            ((None, None, None, 1), "byxc", Sides((32, 32), (32, 32))),
            ((1, 1, 1, 1), "bcyx", Sides((1, 1), (0, 0))),
            ((1, 1, 64, None), "bcyx", Sides((64, 32), (0, 32))),
        ],
    )
    def test_axes_and_sizes_follow_from_the_shape(self, tmp_path, shape, axes, sides):
        output = tuple(2 if axis == "c" else edge for axis, edge in zip(axes, shape, strict=True))
        found = describe_onnx(ModelOf(shape, output), tmp_path / "a.onnx")
        assert (found.input.axes, found.sides, found.halo) == (axes, sides, 0)
        assert found.outputs == (Tensor("out", axes, ("", "")),)
        assert found.title == "a.onnx"

    @pytest.mark.parametrize(
        ("shape", "output", "words"),
        [
            ((1, 3, None, None), (1, 1, None, None), "the input must have one channel, it has 3"),
            (
                (1, 1, 16, None, None),
                (1, 1, 16, None, None),
                r"must have 4 axes \(batch, channel, y, x\), it has 5 \(1 x 1 x 16",
            ),
            ((None, None), (None, None), "must have 4 axes"),
            ((1, 1, 99999, 64), (1, 1, 99999, 64), "must be at most 16384 px high and wide, it is 99999 x 64"),
            ((1, 1, None, None), (1, None), "the output out must have the axes of the input"),
            ((1, 1, None, None), (1, None, None, None), "must have a fixed number of channels, it has any"),
            ((1, 1, None, None), (1, 999, None, None), "must have a fixed number of channels, it has 999"),
        ],
    )
    def test_rejects(self, tmp_path, shape, output, words):
        with pytest.raises(BundleError, match=words):
            describe_onnx(ModelOf(shape, output), tmp_path / "a.onnx")


class ModelOf:
    """Stands for a loaded model with such ports."""

    def __init__(self, shape, output):
        self.input, self.outputs = Port("in", shape), [Port("out", output)]


def test_channels_have_names_for_messages():
    tensors = [Tensor("a", "bcyx", ("", "edge")), Tensor("b", "bcyx", ("",))]
    assert name_channels(tensors) == ["a[0]", "edge", "b"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")  # of the library
def test_a_package_that_the_library_of_the_format_has_made(tmp_path, monkeypatch):
    """`bioimageio.spec` writes fields in its own order and form, which must be read all the same."""
    monkeypatch.setenv("BIOIMAGEIO_HTTP_TIMEOUT", "1")
    spec = pytest.importorskip("bioimageio.spec")
    weights = make_model([of_foreground(), (0.0, -3.0)])
    steps = ["{id: scale_range, kwargs: {axes: [y, x], max_percentile: 99.8}}"]
    text = describe_05(weights, ("foreground", "border"), halo=8, steps=steps, after=["{id: sigmoid}"])
    content = yaml.safe_load(text) | {"cite": [{"text": "none", "doi": "10.5281/zenodo.5108853"}]}
    (tmp_path / "weights.onnx").write_bytes(weights)
    for key, channels in (("inputs", 1), ("outputs", 2)):
        np.save(tmp_path / f"{key}.npy", np.zeros((1, channels, 64, 64), np.float32))
        content[key][0]["test_tensor"] = {"source": f"{key}.npy"}
    with spec.ValidationContext(perform_io_checks=False, root=tmp_path):
        described = spec.build_description(content)
        assert isinstance(described, spec.model.v0_5.ModelDescr), described.validation_summary.format()
        package = spec.save_bioimageio_package(described, output_path=tmp_path / "package.zip")
    assert yaml.safe_load(PackageFiles(package).read_description())["outputs"] != content["outputs"]  # of another form
    model = ForeignModel(package, None, 20.0)
    assert model.description.title == "Tiny model 1.2.0"
    assert (model.description.sides, model.description.halo) == (Sides((32, 32), (16, 16)), 8)
    steps = {step.name: step.options for step in model.description.input.steps}
    assert steps["scale_range"] == {"max_percentile": 99.8}  # the library leaves defaults out
    assert steps["ensure_dtype"] == {"dtype": "float32"}  # which the library adds
    assert [str(role) for role in model.network.roles] == ["foreground", "border"]
