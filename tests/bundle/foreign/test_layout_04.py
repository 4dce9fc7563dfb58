"""The fields of format 0.4."""

from copy import deepcopy

import pytest

from livecell_monai.bundle.foreign.layout_04 import read
from livecell_monai.bundle.foreign.tensors import Sides
from livecell_monai.transforms.described import Step
from tests.support.odd_values import replace_each

#: with the fields and values of published models of nuclei with two channels
CONTENT = {
    "inputs": [
        {
            "name": "input0",
            "axes": "bcyx",
            "data_type": "float32",
            "data_range": [float("-inf"), float("inf")],
            "shape": {"min": [1, 1, 64, 64], "step": [0, 0, 16, 16]},
            "preprocessing": [{"name": "zero_mean_unit_variance", "kwargs": {"axes": "cyx", "mode": "per_sample"}}],
        }
    ],
    "outputs": [
        {
            "name": "output0",
            "axes": "bcyx",
            "data_type": "float32",
            "data_range": [0.0, 1.0],
            "halo": [0, 0, 16, 16],
            "shape": {"reference_tensor": "input0", "scale": [1, 1, 1, 1], "offset": [0, 0.5, 0, 0]},
        }
    ],
}


def changed(**places):
    """The content with other values: `input_shape=...`, `output_halo=...`."""
    content = deepcopy(CONTENT)
    for place, value in places.items():
        tensor, _, name = place.partition("_")
        content[f"{tensor}s"][0][name] = value
    return content


def test_reads_a_published_model():
    found = read(CONTENT)
    assert (found.input.name, found.input.axes, found.input.channels) == ("input0", "bcyx", ("",))
    assert found.input.steps == (Step("zero_mean_unit_variance"),)
    assert (found.sides, found.halo) == (Sides((64, 64), (16, 16)), 16)
    (output,) = found.outputs
    assert (output.name, output.axes, output.channels, output.is_unit) == ("output0", "bcyx", ("", ""), True)


def test_other_shapes_and_axes():
    found = read(
        changed(input_axes="byxc", input_shape=[1, 256, 128, 1], output_shape=[1, 3, 256, 128], input_preprocessing=[])
    )
    assert (found.sides, found.input.axes, len(found.outputs[0].channels)) == (Sides((256, 128), (0, 0)), "byxc", 3)
    scaled = {"reference_tensor": "input0", "scale": [1, 0, 1, 1], "offset": [0, 1.5, 0, 0]}
    assert len(read(changed(output_shape=scaled)).outputs[0].channels) == 3
    deep = changed(input_axes="bczyx", input_shape={"min": [1, 1, 1, 32, 32], "step": [0, 0, 0, 8, 8]})
    assert read(deep).sides == Sides((32, 32), (8, 8))
    assert read(changed(output_halo=None)).halo == 0


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({"input_axes": "bczyx", "input_shape": [1, 1, 16, 64, 64]}, "must be one plane, its axis z has 16"),
        ({"input_axes": "bcx"}, "the input input0 must have axes such as bcyx, got 'bcx'"),
        ({"input_axes": ["b", "c"]}, "must have axes such as bcyx"),
        ({"input_shape": [1, 1, 64]}, "the shape of the input must have a length for each of the axes bcyx"),
        ({"input_shape": {"min": [1, 1, 64, "x"]}}, "the shape of the input must be a whole number"),
        ({"input_shape": None}, "the shape of the input must have a length"),
        ({"output_shape": {"scale": [1, 1, 0.5, 0.5], "offset": [0, 0, 0, 0]}}, "size of the input, its y has scale 0.5"),
        (
            {"output_shape": {"scale": [1, 1, 1, 1], "offset": [0, 0, -8, 0]}},
            "size of the input, its y has scale 1 and offset -8",
        ),
        ({"output_shape": {"scale": [1, 1]}}, "must have a scale and an offset for each axis"),
        ({"output_halo": [0, 0, 4]}, "the halo of the output output0 must have a length"),
        (
            {"output_postprocessing": [{"name": "scale_mean_variance"}]},
            "the output output0 has the step 'scale_mean_variance'",
        ),
    ],
)
def test_rejects(places, words):
    with pytest.raises(ValueError, match=words):
        read(changed(**places))


def test_whatever_a_value_is_the_error_is_one_that_says_it():
    messages = []
    for _, content in replace_each(CONTENT):
        try:
            read(content)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(messages)
