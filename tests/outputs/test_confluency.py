"""Confluency over time, drawn."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from livecell_monai.outputs import confluency as module
from livecell_monai.outputs.confluency import ConfluencyPlot, draw_confluency
from livecell_monai.outputs.figures import write_png
from tests.support.predicted import MASKS, frames, image, with_cells, write


def rows(count, interval, fractions=None):
    values = np.linspace(0.1, 0.3, count) if fractions is None else fractions
    return [
        {"frame": frame, "time_min": None if interval is None else frame * interval, "foreground_fraction": float(value)}
        for frame, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("interval", "label", "last"), [(None, "frame", 36), (2.0, "time (min)", 72), (30.0, "time (h)", 18)]
)
def test_time_axis_in_hours_minutes_or_frames(interval, label, last):
    (axes,) = draw_confluency("cells", rows(37, interval)).axes
    (line,) = axes.lines
    assert axes.get_xlabel() == label
    assert line.get_xdata()[-1] == pytest.approx(last)
    np.testing.assert_allclose(line.get_ydata(), np.linspace(10, 30, 37))
    assert axes.get_ylabel() == "confluency (% of the field)"
    assert axes.get_title() == "cells"


@pytest.mark.parametrize(("most", "top"), [(0.0, 1.0), (0.3, 34.5), (0.9, 100), (1.0, 100)])
def test_axis_starts_at_zero_and_shows_every_frame(most, top):
    (axes,) = draw_confluency("cells", rows(3, 5.0, [0, most, most / 2])).axes
    assert axes.get_ylim() == pytest.approx((0, top))


def test_a_frame_without_a_prediction_is_a_gap_in_the_curve():
    (axes,) = draw_confluency("cells", rows(4, 5.0, [0.1, np.nan, 0.2, 0.1])).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [10, np.nan, 20, 10])
    assert axes.get_ylim() == pytest.approx((0, 23))


def test_time_starts_at_the_first_frame_of_the_file():
    (axes,) = draw_confluency("cells", rows(20, 5.0)[10:]).axes
    assert axes.lines[0].get_xdata()[0] == pytest.approx(50)


def test_math_symbols_in_a_name_stay_text():
    figure = draw_confluency("a $x_1$ " + "y" * 80, rows(2, 5.0))
    figure.canvas.draw()
    assert figure.axes[0].get_title().startswith("a $x_1$ y")
    assert len(figure.axes[0].get_title()) == 60


def test_file_is_a_png_with_a_curve(tmp_path):
    write_png(tmp_path / "a.png", draw_confluency("cells", rows(100, 10.0)))
    with Image.open(tmp_path / "a.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (880, 495))
        blue = np.asarray(picture.convert("RGB")).reshape(-1, 3) == (0, 0x72, 0xB2)
    assert blue.all(axis=1).sum() > 500


def test_cells_have_a_panel_of_their_own(tmp_path):
    with_count = [{**row, "cells": cells} for row, cells in zip(rows(4, 30.0), (10, np.nan, 12, 40), strict=True)]
    figure = draw_confluency("cells", with_count)
    above, below = figure.axes
    np.testing.assert_allclose(below.lines[0].get_ydata(), [10, np.nan, 12, 40])
    np.testing.assert_allclose(below.lines[0].get_xdata(), above.lines[0].get_xdata())
    assert (above.get_ylabel(), below.get_ylabel()) == ("confluency (% of the field)", "cells in the field")
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "time (min)")
    assert below.get_ylim() == pytest.approx((0, 46))
    assert all(tick == int(tick) for tick in below.get_yticks())
    write_png(tmp_path / "a.png", figure)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (880, 825)


def test_no_cell_in_any_frame():
    below = draw_confluency("cells", [{**row, "cells": 0} for row in rows(3, 5.0, [0, 0, 0])]).axes[1]
    assert below.get_ylim() == (0, 5)


def test_cells_are_counted_by_frame(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(module, "draw_confluency", lambda name, rows: drawn.extend(rows))
    monkeypatch.setattr(module, "write_png", lambda path, figure: None)
    given = with_cells(frames())
    given[1] = replace(given[1], problem="dark")
    write(ConfluencyPlot(), given, tmp_path)
    np.testing.assert_equal([row["cells"] for row in drawn], [5, np.nan, 5, 5, 5])


def test_plot_is_drawn_at_the_last_frame(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(module, "draw_confluency", lambda name, rows: (name, [*rows]))
    monkeypatch.setattr(module, "write_png", lambda path, figure: drawn.update({path.name: figure}))
    plot = ConfluencyPlot()
    write(plot, frames(indices=[1, 2, 4])[:-1], tmp_path)
    assert drawn == {}
    plot.discard()
    write(plot, [image(), *frames(indices=[1, 2, 4])], tmp_path)
    (name, points) = drawn["cells_confluency.png"]
    assert (name, [(point["frame"], point["time_min"]) for point in points]) == ("cells", [(1, 1.5), (2, 3.0), (4, 6.0)])
    assert [point["foreground_fraction"] for point in points] == [round(MASKS[index].mean(), 6) for index in (1, 2, 4)]
