"""Movies that a bundle segments before they are linked."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import SettingError
from livecell_monai.report import movie_cells
from livecell_monai.report.movie_cells import segment_movies
from livecell_monai.report.tracking import MoviePaths
from tests.report.test_tracking import write_labels


def test_a_bundle_segments_each_movie_into_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def predict(bundle, images, output, settings, workers, scheduler):
        seen.update(settings)
        output.mkdir(exist_ok=True)
        (output / "dish_cells.ome.tif").touch()
        return type("Done", (), {"failures": {}, "rows": [{"image": "dish"}]})

    monkeypatch.setattr("livecell_monai.tasks.predict", predict)
    monkeypatch.setattr(movie_cells, "read_bundle_settings", lambda bundle: {"channel": "GFP"})
    folder, out = write_labels(tmp_path), tmp_path / "out"
    assert segment_movies(tmp_path, [folder], out, {}) == [MoviePaths(out / "dish_cells.ome.tif", folder, "GFP")]
    assert seen == {"outputs": ["cells"], "cells": True, "movie": True, "allow_gaps": True}
    seen.clear()
    tifffile.imwrite(tmp_path / "dish.tif", np.zeros((3, 20, 20), np.uint16), photometric="minisblack")
    segment_movies(tmp_path, [tmp_path / "dish.tif"], out, {"overwrite": True})
    assert seen["axes"] == "TYX"
    with pytest.raises(SettingError, match="the output must not be the folder of the frames"):
        segment_movies(tmp_path, [folder], folder.parent, {"overwrite": True})


def test_some_frames_alone_cannot_be_followed(tmp_path: Path) -> None:
    """Label images would have fewer frames than the movie whose pictures and grey values are shown with them."""
    with pytest.raises(SettingError, match=r"^setting time must be left out with livecell track, .* got '1:4'; save the"):
        segment_movies(tmp_path, [tmp_path / "dish.tif"], tmp_path / "out", {"time": "1:4"})
    assert not (tmp_path / "out").exists()


def test_a_movie_of_one_frame_is_written_as_an_image(tmp_path: Path) -> None:
    (tmp_path / "dish_cells.tif").touch()
    assert movie_cells._find_cells(tmp_path, "dish") == tmp_path / "dish_cells.tif"
    (tmp_path / "dish_cells.ome.tif").touch()
    assert movie_cells._find_cells(tmp_path, "dish") == tmp_path / "dish_cells.ome.tif"
