"""The network's maps as files: one for each named map."""

from dataclasses import replace

import numpy as np
import tifffile

from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.probability import Probability
from tests.support.predicted import MASKS, frames, image, names, write

TWO = OutputOptions(channels=("foreground", "border"))


def of_two(prediction):
    return replace(prediction, maps={**prediction.maps, "border": np.float32(1) - prediction.maps["foreground"]})


def test_the_foreground_is_called_probability_and_other_maps_by_their_name(tmp_path):
    write(Probability(TWO), [of_two(image())], tmp_path)
    assert names(tmp_path) == {"a_probability.tif", "a_border.tif"}
    foreground, border = (tifffile.imread(tmp_path / f"a_{name}.tif") for name in ("probability", "border"))
    assert foreground.dtype == np.float32
    np.testing.assert_array_equal(foreground, MASKS[0] * np.float32(0.75))
    np.testing.assert_array_equal(border, 1 - foreground)


def test_a_movie_has_a_stack_for_each_map(tmp_path):
    write(Probability(TWO), [of_two(frame) for frame in frames()], tmp_path)
    assert names(tmp_path) == {"cells_probability.ome.tif", "cells_border.ome.tif"}
    found = tifffile.imread(tmp_path / "cells_probability.ome.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.stack(MASKS) * np.float32(0.75))


def test_an_incomplete_movie_leaves_nothing(tmp_path):
    output = Probability(TWO)
    write(output, [of_two(frame) for frame in frames()[:2]], tmp_path)
    assert len(names(tmp_path)) == 2
    output.discard()
    assert names(tmp_path) == set()


def test_a_large_image_has_none():
    assert Probability(OutputOptions()).files.large is None
