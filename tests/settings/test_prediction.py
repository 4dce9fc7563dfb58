"""Every setting of `inference.yaml`: accepted and rejected values."""

import pytest

from livecell_monai.settings import list_settings
from tests.support.setting_values import (
    ABOVE_0,
    COUNT,
    FLAG,
    INSIDE_0_1,
    SHAPE,
    check_rule,
)

#: by name: accepted values, and rejected values
VALUES = {
    "accelerator": (["auto", "cpu", "cpu-fp32", "cuda:1-fp32", "mps"], ["", "gpu", "cuda:", "cpu ", "fp32", "cuda:x", 0]),
    "scale": ([1, 0.25, 16, [256, 256]], [0, -1, 17, [256], [0, 256], [25.5, 25], True, "auto"]),
    "percentiles": ([[0, 100], [0.1, 99.9]], [[1], [50, 50], [99, 1], [-1, 50], [0, 101], 5, [0, 50, 100]]),
    "unlabelled_value": ([None, 1, 255, 65_535], [0, -1, 2.5, True, "255"]),
    "maps": ([["foreground"], ["foreground", "distance"]], [[], ["distance"], ["distance", "foreground"], "foreground"]),
    "filters": ([[4, 8], [16] * 12], [[8], [0, 4], [4, 8193], [4.0, 8], 8, [4] * 13, [True, 4]]),
    "convolutions": ([1, 16], [0, 17, 1.5, True]),
    "down": (["max", "strided"], ["mean", 1]),
    "dropout": ([0, 0.4], [-0.1, 1]),
    "norm": (["batch", "instance"], ["group"]),
    "ensemble_size": ([1, 64], [0, 65, True, "1"]),
    "stem_stride": ([1, 2, 4], [0, 3, 8, True, "2"]),
    "channel": ([None, 0, "DAPI", "GFP #2", "$1/0"], [-1, 1.5, True, ""]),
    "time": ([None, 0, "3", "2:5", ":"], [-1, True, "first", "1:2:3"]),
    "z": ([None, 0, "3"], [-1, True, "top"]),
    "allow_gaps": ([False, True], [0, "yes", None]),
    "interval_min": ([None, 0.5, 15], [0, -1, True, "15"]),
    "axes": ([None, "TYX"], ["", 3]),
    "window": ([*SHAPE[0], "auto"], [*SHAPE[1], "large", None]),
    "window_memory": ([0.5, 256], [0, -1, 2**21]),
    "window_batch": ([1, 1024], [0, 1025, 2.5, True]),
    "overlap": ([0, 64], [-1, 0.5, True]),
    "tta_views": ([1, 2, 4, 8], [0, 3, True, "8"]),
    "backend": (["torch", "int8"], ["int4", "", 8, None]),
    "resume": ([True, False, "auto"], [1, "yes"]),
    "outputs": ([["mask"], ["mask", "theirs"]], [[], "mask", [1], [""]]),
    "large_image_format": (["tiff", "zarr"], ["png"]),
    "threshold": INSIDE_0_1,
    "cells": (["auto", True, False], [1, "yes", "true"]),
    "seed_depth": ABOVE_0,
    "cell_diameter": ABOVE_0,
    "map_threshold": ([0, 0.4], [-0.1, 1]),
    "min_cell_area": COUNT,
    "min_border_cell_area": ([0, 1, 500], [-1, 2.5, True, "5"]),
    "own_settings": (
        [{}, {"/a/$b#@.tif": {"scale": 0.5, "seed_depth": 1.0, "cell_diameter": 80, "min_cell_area": 20}}],
        [
            None,
            {"/a.tif": 2.0},
            {"/a.tif": {"threshold": 0.5}},
            {"/a.tif": {"scale": 0}},
            {"": {}},
            [1],
            {"/a.tif": {"scale": 17}},
            {"/a.tif": {"min_cell_area": 0.4}},
        ],
    ),
    "cell_table_names": (["livecell", "cellprofiler"], ["CellProfiler", None]),
    "cell_table_format": (["csv", "parquet"], ["CSV", "xlsx"]),
    "tiling_min_megapixels": ABOVE_0,
    "model_outputs": (
        [None, ["foreground"], ["ignore", "foreground:logits", "border:probability", "distance:px"]],
        [[], ["mask"], ["foreground:px"], ["foreground:"], ["ignore:logits"], "foreground", [1]],
    ),
    **dict.fromkeys(("normalise", "residual", "movie"), FLAG),
    **dict.fromkeys(("overwrite", "show_progress"), FLAG),
}


def test_every_setting_is_tested():
    assert set(VALUES) == set(list_settings(["inference"]))


@pytest.mark.parametrize("name", VALUES)
def test_accepts_and_rejects(name):
    check_rule(name, *VALUES[name])
