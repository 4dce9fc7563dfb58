"""Folders of the Cell Tracking Challenge."""

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError
from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.ctc import is_ctc_folder
from livecell_monai.exchange.registry import find_sources
from tests.support.annotated import HIGH, MIXED, read_all, write_labels, write_planes

MOVIE = (MIXED, MIXED * (MIXED != 3), MIXED)


def write_movie(folder, is_linked):
    planes = [LabelledPlane("a", labels, frame, len(MOVIE), is_linked=is_linked) for frame, labels in enumerate(MOVIE)]
    return write_planes("ctc", folder / "a_RES", planes)


def test_linked_ids_are_tracks(tmp_path):
    path = write_movie(tmp_path, is_linked=True)
    assert sorted(each.name for each in path.iterdir()) == ["mask000.tif", "mask001.tif", "mask002.tif", "res_track.txt"]
    assert tifffile.imread(path / "mask001.tif").dtype == np.uint16
    lines = (path / "res_track.txt").read_text().splitlines()
    assert lines == [f"{number} 0 2 0" for number in (1, 2, 3, 4, 5, 7)]


def test_without_links_each_cell_of_each_frame_is_a_track(tmp_path):
    path = write_movie(tmp_path, is_linked=False)
    tracks = [tuple(map(int, line.split())) for line in (path / "res_track.txt").read_text().splitlines()]
    assert len(tracks) == 6 + 5 + 6
    assert all(first == last and parent == 0 for _, first, last, parent in tracks)
    for frame, labels in enumerate(MOVIE):
        mask = tifffile.imread(path / f"mask{frame:03}.tif")
        np.testing.assert_array_equal(mask > 0, labels > 0)
        present = set(np.unique(mask[mask > 0]).tolist())
        assert present == {number for number, first, _, _ in tracks if first == frame}
        assert len({(old, new) for old, new in zip(labels.ravel(), mask.ravel(), strict=True)}) == len(present) + 1


def test_ids_that_do_not_fit(tmp_path):
    with pytest.raises(DataError, match="a: the format ctc has at most 65,535 ids in all frames, got 70,000"):
        write_labels("ctc", tmp_path, HIGH)


def test_folders_of_truth(tmp_path):
    folder = tmp_path / "01_GT" / "SEG"
    folder.mkdir(parents=True)
    assert not is_ctc_folder(tmp_path / "01_GT")
    tifffile.imwrite(folder / "man_seg007.tif", MIXED.astype(np.uint8), photometric="miniswhite")
    for path in (folder, folder.parent):
        assert is_ctc_folder(path)
        ((form, found),) = find_sources(path)
        assert (form.name, found) == ("ctc", path)
        (each,) = read_all("ctc", path)
        assert (each.name, each.frame) == ("01", 7)
        np.testing.assert_array_equal(each.labels, MIXED)
