"""Cells of a prediction are measured once."""

from pathlib import Path

import pytest
from PIL import Image

from livecell_monai.outputs import measured
from livecell_monai.outputs.measured import measure_prediction
from tests.support.predicted import PICTURES, image, with_cells


@pytest.mark.parametrize(("as_cellprofiler", "area"), [(False, "area_px"), (True, "AreaShape_Area")])
def test_once_for_all_outputs(as_cellprofiler, area, tmp_path, monkeypatch):
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.tif")
    calls = []
    real = measured.measure_cells
    monkeypatch.setattr(measured, "measure_cells", lambda *given: calls.append(given) or real(*given))
    (prediction,) = with_cells([image(Path(tmp_path / "a.tif"))])
    for _ in range(2):
        found = measure_prediction(prediction, as_cellprofiler)
        assert found[area].sum() == prediction.mask.sum()
    assert len(calls) == 1
    measure_prediction(with_cells([prediction])[0], as_cellprofiler)
    assert len(calls) == 2
