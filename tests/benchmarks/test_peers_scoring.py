"""The scorer of all peers, on small images of touching cells: what a peer left on disk, against the labels."""

import numpy as np
import pytest
import tifffile
from peers import interface, scoring
from scipy import ndimage

from livecell_monai.cells.decoder import CellDecoder
from tests.support.worlds import SHAPE, one_cell, write_folder

DECODER = CellDecoder(cells=True, seed_depth=2.0, min_area=10)


def two_cells():
    """A label (Y, X) of two ellipses that touch at a neck."""
    left, right = one_cell(at=(0.5, 0.35), radii=(20.0, 18.0)), one_cell(at=(0.5, 0.65), radii=(20.0, 18.0))
    return np.where(left > 0, 1, 2 * right).astype(np.uint16)


def leave(folder, found, separates_cells):
    """What a peer leaves of one image, `a`, in half a second."""
    folder.mkdir()
    interface.write_result(folder, "a", found, separates_cells)
    interface.write_seconds(folder, 60.0, 0.5)
    return folder


def means_of(result):
    return {name: result.summary[name]["mean"] for name in scoring.SCORES}


def test_the_cells_of_a_peer_are_scored_as_they_are(tmp_path):
    truth = two_cells()
    right = scoring.score_results(leave(tmp_path / "right", truth, True), {"a": truth}, DECODER)
    assert right.separates_cells
    assert means_of(right) == {"ap50": 1.0, "pq": 1.0, "seg": 1.0, "count_error": 0.0, "iou": 1.0}
    merged = scoring.score_results(leave(tmp_path / "merged", truth > 0, True), {"a": truth}, DECODER)
    found = means_of(merged)
    assert (found["iou"], found["count_error"]) == (1.0, 0.5)
    assert found["ap50"] < 1  # one cell for two
    assert found["seg"] < 1


def test_the_cells_of_masks_are_separated_at_necks_kept_and_timed(tmp_path, monkeypatch):
    truth = two_cells()
    assert ndimage.label(truth > 0)[1] == 1
    now = [0.0]
    monkeypatch.setattr(scoring.time, "monotonic", lambda: now.append(now[-1] + 2) or now[-1])
    folder = leave(tmp_path / "mask", truth > 0, False)
    assert not (folder / "a_cells.tif").exists()
    result = scoring.score_results(folder, {"a": truth}, DECODER)
    assert not result.separates_cells
    assert result.summary["ap50"]["mean"] == 1.0
    assert result.summary["pq"]["mean"] > 0.9
    assert np.unique(tifffile.imread(folder / "a_cells.tif")).tolist() == [0, 1, 2]
    assert (result.training_s, result.prediction_s) == (60.0, 2.5)


def test_a_label_that_does_not_separate_cells_scores_none(tmp_path):
    binary = (two_cells() > 0).astype(np.uint16)
    binary[:9, :9] = 1
    result = scoring.score_results(leave(tmp_path / "mask", binary, False), {"a": binary}, DECODER)
    assert scoring.format_score(result.summary, "iou") == "1.000"
    assert [scoring.format_score(result.summary, name) for name in ("ap50", "pq", "seg", "count_error")] == [""] * 4


def test_a_result_of_another_size_is_refused(tmp_path):
    truth = two_cells()
    with pytest.raises(ValueError, match="one shape"):
        scoring.score_results(leave(tmp_path / "small", truth[:, :-1], True), {"a": truth}, DECODER)


def test_masks_are_separated_by_the_settings_of_our_plan(tmp_path):
    small = scoring.make_decoder(write_folder(tmp_path / "small")).decoding
    large = scoring.make_decoder(write_folder(tmp_path / "large", shape=(4 * SHAPE[0], 4 * SHAPE[1]))).decoding
    assert small.seed_depth < large.seed_depth
    assert 12 * small.min_area < large.min_area < 20 * small.min_area


@pytest.mark.parametrize(("most", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_no_id_of_a_cell_is_lost(tmp_path, most, dtype):
    ids = np.array([[0, 1], [most, most]], np.int64)
    interface.write_result(tmp_path, "a", ids, separates_cells=True)
    cells = tifffile.imread(tmp_path / "a_cells.tif")
    assert cells.dtype == dtype
    assert np.array_equal(cells, ids)
    assert tifffile.imread(tmp_path / "a.tif").tolist() == [[0, 255], [255, 255]]


def test_a_score_has_its_interval_where_the_table_shows_it():
    part = {"mean": 0.51234, "interval_95": [0.4, 0.6]}
    assert scoring.format_score({"ap50": part}, "ap50") == "0.512 (0.400 .. 0.600)"
    assert scoring.format_score({"pq": part}, "pq") == "0.512"
    assert scoring.format_score({"ap50": {"mean": 1.0, "interval_95": None}}, "ap50") == "1.000"
