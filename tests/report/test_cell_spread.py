"""Histograms of cells."""

import numpy as np

from livecell_monai.report.cell_spread import CellSpread, draw_spread
from tests.support.cell_worlds import boxes

TRUTH = boxes((0, 0, 4, 5), (10, 10, 20, 20)) * 7
PREDICTED = boxes((0, 0, 4, 4), (10, 10, 20, 20), (30, 30, 33, 33))
GREY = np.where(TRUTH == 7, 2.0, np.where(TRUTH == 14, 6.0, 1.0))


def spread(*images):
    found = CellSpread()
    for image in images:
        found.add(*image)
    return found


def test_area_and_mean_intensity_of_all_images():
    found = spread((GREY, PREDICTED, TRUTH), (GREY + 1, PREDICTED * 0, TRUTH))
    assert found.of("true")["area"].tolist() == [20, 100, 20, 100]
    assert found.of("true")["intensity"].tolist() == [2, 6, 3, 7]
    assert found.of("predicted")["area"].tolist() == [16, 100, 9]
    assert found.of("predicted")["intensity"].tolist() == [2, 6, 1]


def counts_of(figure):
    return {step.get_label().partition(":")[0]: step.get_data().values for step in figure.axes[0].patches}


def test_every_cell_is_in_a_bin_also_the_far_ones():
    many = boxes(*((2 * row, 3 * column, 2 * row + 1, 3 * column + 2) for row, column in np.ndindex(19, 19)))
    many[-2:] = 999  # one much larger than the others
    counts = counts_of(draw_spread(spread((many * 0.1, many, many), (GREY, PREDICTED, TRUTH)), "area"))
    assert counts["true"].sum() == 362 + 2
    assert counts["predicted"].sum() == 362 + 3
    assert counts["true"][-1] >= 1


def test_the_figure_names_numbers_and_medians():
    figure = draw_spread(spread((GREY, PREDICTED, TRUTH)), "intensity")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["true: 2 cells, median 4", "predicted: 3 cells, median 2"]
    assert "intensity" in figure.axes[0].get_xlabel()


def test_images_without_cells_have_a_figure():
    figure = draw_spread(spread((GREY, PREDICTED * 0, TRUTH * 0)), "area")
    assert [text.get_text() for text in figure.legends[0].texts] == ["true: 0 cells", "predicted: 0 cells"]
