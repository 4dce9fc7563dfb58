"""Every setting of `train.yaml` and `evaluate.yaml`: accepted and rejected values."""

import math

import pytest

from livecell_monai.settings import list_settings
from tests.support.setting_values import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    COUNT,
    FLAG,
    INSIDE_0_1,
    PROBABILITY,
    SHAPE,
    TEXT,
    check_rule,
)

#: by name: accepted values, and rejected values
VALUES = {
    "seed": ([0, 7, 2**32 - 1], [-1, 0.5, True, 2**32]),
    "minutes": ([0, 2.5], [-1, math.inf, True]),
    "compile": ([True, False, "auto"], [1, "yes"]),
    "split": (["auto", "images", "region", "original", "none"], ["both", None]),
    "validation_fraction": ([0.15, 0.5], [0, 0.6]),
    "guard": ([0, 16], [-1, 1.5]),
    "augmentation": (["patches", "transforms"], ["none"]),
    "patch_size": SHAPE,
    "zoom": ([[0.8, 1.25], [1, 1]], [[0, 1], [1.2, 0.8], [1], [1, 2, 3], 1.0, ["a", "b"]]),
    "pseudo_label_schedule": ([[0.5], [0, 0.4, 0.4]], [[], [1], [0.7, 0.4], 0.4, [-0.1]]),
    "pseudo_label_confidence": ([0.5, 0.99], [0.4, 1]),
    "loss": (["bce", "dice_bce", "focal"], ["mse"]),
    "pos_weight": ([0.5, 3, "auto", "balanced"], [0, -1, "other", True, math.inf]),
    "lr_schedule": (["decay", "step"], ["cosine"]),
    "lr_step": ([1, 7, "auto"], [0, 1.5, True, "never"]),
    "lr_gamma": ([1, 0.1], [0, 1.5]),
    "checkpoint_selection": (["best", "last"], ["first", 1]),
    "start_share": ([0, 0.4], [-0.1, 1]),
    "ema": ([0, 0.99], [-0.1, 1]),
    **dict.fromkeys(("pseudo_label_fraction", "warm_up"), INSIDE_0_1),
    "lr": ABOVE_0,
    **dict.fromkeys(("samples_per_epoch", "batch_size", "patience", "epochs"), COUNT),
    **dict.fromkeys(("flip_probability", "change_probability", "obstacles"), PROBABILITY),
    **dict.fromkeys(("gamma", "contrast", "stretch"), AT_LEAST_1),
    **dict.fromkeys(("rotation", "shear", "brightness", "elastic", "illumination", "shading", "blur", "noise"), AT_LEAST_0),
    **dict.fromkeys(("weight_decay", "surface_tolerance"), AT_LEAST_0),
    **dict.fromkeys(("use_borders", "track", "keep_last_state"), FLAG),
    **dict.fromkeys(("start", "tracking_uri", "experiment", "run_name"), TEXT),
}


def test_every_setting_is_tested():
    assert set(VALUES) == set(list_settings(["train", "evaluate"]))


@pytest.mark.parametrize("name", VALUES)
def test_accepts_and_rejects(name):
    check_rule(name, *VALUES[name])
