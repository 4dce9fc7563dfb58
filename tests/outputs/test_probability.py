"""One file per named map of the network."""

from dataclasses import replace

import numpy as np
import tifffile

from livecell_monai.outputs.base import OutputOptions
from livecell_monai.outputs.probability import Probability
from tests.support.predicted import MASKS, frames, image, names, write

TWO = OutputOptions(channels=("foreground", "border"))


def with_border(prediction):
    return replace(prediction, maps={**prediction.maps, "border": np.float32(1) - prediction.maps["foreground"]})


def test_file_names_of_the_maps(tmp_path):
    write(Probability(TWO), [with_border(image())], tmp_path)
    assert names(tmp_path) == {"a_probability.tif", "a_border.tif"}
    foreground, border = (tifffile.imread(tmp_path / f"a_{name}.tif") for name in ("probability", "border"))
    assert foreground.dtype == np.float32
    np.testing.assert_array_equal(foreground, MASKS[0] * np.float32(0.75))
    np.testing.assert_array_equal(border, 1 - foreground)


def test_movie_has_one_stack_per_map(tmp_path):
    write(Probability(TWO), [with_border(frame) for frame in frames()], tmp_path)
    assert names(tmp_path) == {"cells_probability.ome.tif", "cells_border.ome.tif"}
    found = tifffile.imread(tmp_path / "cells_probability.ome.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.stack(MASKS) * np.float32(0.75))


def test_incomplete_movie_leaves_no_files(tmp_path):
    output = Probability(TWO)
    write(output, [with_border(frame) for frame in frames()[:2]], tmp_path)
    assert len(names(tmp_path)) == 2
    output.discard()
    assert names(tmp_path) == set()


def test_large_images_are_not_supported():
    assert Probability(OutputOptions()).files.large is None
