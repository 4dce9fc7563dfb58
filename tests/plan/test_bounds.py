"""Every setting with a rule: what it takes and what it refuses."""

import math
import re

import pytest
from livecell_monai.plan.bounds import RULES, SIZES, check_bounds

from livecell_monai.errors import SettingError

GOOD = {
    "window_batch": [1, 8],
    "window_memory": [0.5, 256],
    "tiling_min_megapixels": [0.001, 64.0],
    "threshold": [0.01, 0.5],
    "seed": [0, 7],
    "ensemble_size": [1],
    "samples_per_epoch": [1, 1773],
    "batch_size": [1, 16],
    "patience": [1, 10],
    "rotation": [0, 3.14],
    "zoom": [[0.8, 1.25], [1, 1], (0.5, 2.0)],
    "shear": [0.0, 0.1],
    "flip_probability": [0, 0.5, 1],
    "change_probability": [0, 1],
    **{name: [1, 1.4] for name in ("gamma", "contrast", "stretch")},
    **{name: [0, 0.3] for name in ("brightness", "elastic", "illumination", "shading", "blur", "noise", "weight_decay")},
    "ema": [0, 0.99],
    "checkpoint_selection": ["best", "last"],
    "backend": ["torch", "int8"],
    "lr": [1, 1e-9],
    "lr_gamma": [1, 0.1],
    "window": [[32, 64], (16, 16), "auto"],
    "patch_size": [[16, 48]],
}
BAD = {
    **{name: [0, -1, 2.5, True] for name in ("window_batch", "samples_per_epoch", "batch_size", "patience")},
    "seed": [-1, 0.5, True],
    "ensemble_size": [0, 3, True, "1"],
    **{name: [-0.1, 1.1] for name in ("flip_probability", "change_probability")},
    **{name: [-0.1] for name in ("rotation", "shear", "brightness", "elastic", "illumination", "shading", "blur", "noise")},
    "weight_decay": [-1e-3],
    **{name: [0, 0.9] for name in ("gamma", "contrast", "stretch")},
    "zoom": [[0, 1], [1.2, 0.8], [1], [1, 2, 3], 1.0, ["a", "b"]],
    "ema": [-0.1, 1],
    "checkpoint_selection": ["first", 1],
    "backend": ["int4", "", 8, None],
    "window_memory": [0, -1],
    "tiling_min_megapixels": [0, -1],
    "threshold": [0, 1, -0.5],
    "lr": [0, -1e-3],
    "lr_gamma": [0, 1.5],
    **{name: [[16], [16, 0], [16, 24], [16.0, 16], [16, 16, 16], 16, [-16, 16]] for name in SIZES},
}
NEVER = [None, "auto", "1", [None], math.nan]


def pairs(worlds):
    return [(name, value) for name, values in worlds.items() for value in values]


def test_every_rule_is_tested():
    assert set(GOOD) == set(BAD) == {*RULES, *SIZES}


@pytest.mark.parametrize(("name", "value"), pairs(GOOD))
def test_takes(name, value):
    check_bounds({name: value}, multiple=16)


@pytest.mark.parametrize(
    ("name", "value"), [*pairs(BAD), *((name, value) for name in GOOD for value in NEVER if value not in GOOD[name])]
)
def test_refuses(name, value):
    with pytest.raises(SettingError, match=rf"^setting {name} must be .+, got {re.escape(repr(value))}; correct it$"):
        check_bounds({"loss": "bce", name: value}, multiple=16)


def test_sizes_are_multiples_of_what_the_network_takes():
    check_bounds({"window": [24, 8]}, multiple=8)
    with pytest.raises(SettingError, match=r"window must be \[Y, X\] in pixels, multiples of 16 = stem_stride"):
        check_bounds({"window": [24, 8]}, multiple=16)


def test_a_name_without_a_rule_is_left_to_whoever_uses_it():
    check_bounds({"loss": None, "filters": "x"}, multiple=16)
