"""The fields of format 0.5."""

from copy import deepcopy

import pytest

from livecell_monai.bundle.foreign.layout_05 import read
from livecell_monai.bundle.foreign.tensors import Sides
from livecell_monai.transforms.described import Step
from tests.support.odd_values import replace_each

SIZE = {"min": 64, "step": 16}


def space(axis, size, **more):
    return {"type": "space", "id": axis, "size": size, **more}


def same(axis, **more):
    return space(axis, {"tensor_id": "raw", "axis_id": axis}, **more)


CONTENT = {
    "inputs": [
        {
            "id": "raw",
            "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["grey"]}, space("y", SIZE), space("x", SIZE)],
            "preprocessing": [{"id": "scale_range", "kwargs": {"axes": ["y", "x"], "max_percentile": 99.8}}],
        }
    ],
    "outputs": [
        {
            "id": "probability",
            "description": "of nuclei",
            "axes": [
                {"type": "batch"},
                {"type": "channel", "channel_names": ["foreground", "boundary"]},
                same("y", halo=16),
                same("x", halo=8),
            ],
            "data": {"type": "float32", "range": [0, 1]},
        }
    ],
}


def changed(tensor, axis, value):
    content = deepcopy(CONTENT)
    content[tensor][0]["axes"][axis] = value
    return content


def test_reads_a_model():
    found = read(CONTENT)
    assert (found.input.name, found.input.axes, found.input.channels) == ("raw", "bcyx", ("grey",))
    assert found.input.steps == (Step("scale_range", {"max_percentile": 99.8}),)
    assert (found.sides, found.halo) == (Sides((64, 64), (16, 16)), 16)
    (output,) = found.outputs
    assert (output.channels, output.is_unit, output.description) == (("foreground", "boundary"), True, "of nuclei")


def test_other_sizes():
    unnamed = {"type": "space", "size": SIZE}  # x by default
    assert read(changed("inputs", 3, unnamed)).input.axes == "bcyx"
    assert read(changed("inputs", 2, space("y", 256))).sides == Sides((256, 64), (0, 16))
    assert read(changed("inputs", 3, space("x", {"tensor_id": "raw", "axis_id": "y"}))).sides == Sides((64, 64), (16, 16))
    fixed = changed("outputs", 2, space("y", 64))
    fixed["outputs"][0]["axes"][3] = space("x", 64)
    assert read(fixed).halo == 0
    scaled = changed("inputs", 2, space("y", SIZE, scale=0.3, unit="micrometer"))
    scaled["outputs"][0]["axes"][2] = same("y", scale=0.3)
    assert len(read(scaled).outputs) == 1


@pytest.mark.parametrize(
    ("tensor", "axis", "value", "words"),
    [
        ("inputs", 1, space("z", 16), "must be one plane, its axis z has 16"),
        ("inputs", 1, {"type": "time", "size": 5}, "must be one plane, its axis t has 5"),
        ("inputs", 1, space("y", SIZE), "must have different axes of known types, got 'space y'"),
        ("inputs", 1, {"type": "colour"}, "different axes of known types, got 'colour '"),
        ("inputs", 2, {"type": "index", "size": 1}, "must have y and x among its axes, got b, c, i, x"),
        ("inputs", 2, space("y", {"min": 64}), "the size of the axis y of the input must be a whole number"),
        ("inputs", 2, space("y", None), "the size of the axis y of the input must be a whole number"),
        ("inputs", 2, space("y", {"tensor_id": "raw", "axis_id": "y"}), "or that of another axis of it"),
        ("inputs", 2, space("y", {"tensor_id": "raw", "axis_id": "x", "offset": 3}), "or that of another axis of it"),
        ("inputs", 1, {"type": "channel"}, "must have from 1 to 64 channel_names, got None"),
        ("outputs", 2, same("y", scale=2.0), "must have the pixel size of the input, its y has scale 2.0"),
        (
            "outputs",
            2,
            space("y", {"tensor_id": "raw", "axis_id": "y", "offset": -4}),
            "size of the input, its y has offset -4",
        ),
        ("outputs", 2, space("y", {"tensor_id": "raw", "axis_id": "x"}), "must have the size of the input"),
        ("outputs", 2, same("y", halo="wide"), "the halo of the output probability must be a whole number"),
    ],
)
def test_rejects(tensor, axis, value, words):
    with pytest.raises(ValueError, match=words):
        read(changed(tensor, axis, value))


def test_whatever_a_value_is_the_error_is_one_that_says_it():
    messages = []
    for _, content in replace_each(CONTENT):
        try:
            read(content)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(messages)
