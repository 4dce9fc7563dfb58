"""Fields of descriptions are checked before they are used."""

import pytest

from livecell_monai.bundle.foreign.tensors import (
    Sides,
    Tensor,
    is_unit_range,
    take_int,
    take_list,
    take_number,
    take_only_input,
    take_steps,
)
from livecell_monai.transforms.described import Step

PLANE = Tensor("raw", "bcyx", ("",))


@pytest.mark.parametrize(
    ("sides", "shape", "expected"),
    [
        (Sides((64, 64), (16, 16)), (64, 64), (64, 64)),
        (Sides((64, 64), (16, 16)), (65, 90), (80, 96)),
        (Sides((64, 64), (16, 16)), (3, 64), (64, 64)),
        (Sides((100, 30), (0, 7)), (9, 31), (100, 37)),
    ],
)
def test_windows_are_padded_to_a_size_that_the_model_takes(sides, shape, expected):
    assert sides.fit(shape) == expected


def test_whole_numbers():
    assert [take_int(value, "n") for value in (3, 3.0, 0)] == [3, 3, 0]
    for value in (True, None, "3", 3.5, float("inf"), float("nan"), -1, 2**15):
        with pytest.raises(ValueError, match="n must be a whole number from 0 to 16384, got "):
            take_int(value, "n")


def test_numbers():
    assert [take_number(value, "n") for value in (3, 0.5, None)] == [3, 0.5, 0]
    for value in (True, "3", float("inf"), float("nan")):
        with pytest.raises(ValueError, match="n must be numbers, got "):
            take_number(value, "n")


def test_lists_and_inputs():
    for content in ({}, {"inputs": "raw"}, {"inputs": ["raw"]}):
        with pytest.raises(ValueError, match="inputs must be a list of mappings, got "):
            take_list(content, "inputs")
    for inputs in ([], [{}, {}]):
        with pytest.raises(ValueError, match=f"the model must have one input, an image, it has {len(inputs)}"):
            take_only_input({"inputs": inputs})


def test_steps_are_of_their_tensor():
    steps = [{"name": "scale_range", "kwargs": {"axes": "xy", "reference_tensor": "raw"}}, {"name": "sigmoid"}]
    found = take_steps({"preprocessing": steps}, "preprocessing", "name", PLANE, "the input")
    assert found == (Step("scale_range"), Step("sigmoid"))
    assert take_steps({}, "preprocessing", "name", PLANE, "the input") == ()
    with pytest.raises(ValueError, match="the output raw has the step scale_range, which needs the whole image at once"):
        take_steps({"postprocessing": steps}, "postprocessing", "name", PLANE, "the output")
    steps[0]["kwargs"]["reference_tensor"] = "other"
    with pytest.raises(ValueError, match="the input raw has the step scale_range with 'reference_tensor'"):
        take_steps({"preprocessing": steps}, "preprocessing", "name", PLANE, "the input")


def test_ranges():
    assert [is_unit_range(ends) for ends in ([0, 1], [0.0, 1.0], [0, 0.5])] == [True] * 3
    assert not any(
        is_unit_range(ends) for ends in (None, [0, 255], [float("-inf"), float("inf")], [0, None], [0, 1, 2], "01")
    )
