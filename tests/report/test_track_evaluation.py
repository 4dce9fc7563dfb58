from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import DataError
from livecell_monai.report.track_evaluation import evaluate_movies
from tests.support.moving_cells import draw

FRAMES = [{1: (20, 20 + frame), 2: (40, 60 - frame)} for frame in range(12)]


def write_ctc(
    folder: Path, frames: list[dict[int, tuple[int, int]]], stem: str = "mask", text: str = "res_track.txt"
) -> Path:
    folder.mkdir(parents=True)
    for frame, cells in enumerate(frames):
        tifffile.imwrite(folder / f"{stem}{frame:03d}.tif", draw(cells))
    last = len(frames) - 1
    (folder / text).write_text(f"1 0 {last} 0\n2 0 {last} 0\n", encoding="utf-8")
    return folder


def test_one_movie_has_intervals_over_blocks_of_frames(tmp_path: Path) -> None:
    truth = write_ctc(tmp_path / "truth" / "TRA", FRAMES, "man_track", "man_track.txt").parent
    result = write_ctc(tmp_path / "result" / "ctc", FRAMES).parent
    found = evaluate_movies(result, truth, 4)
    assert found.of == "3 blocks"
    assert found.rows()[0] == ["TRA", "1.0000", "1.0000", "1.0000 .. 1.0000"]
    assert found.rows()[-1] == ["division_F1", "", "", ""]
    assert found.lines() == ["result: 0 of 0 divisions found, 0 false"]
    assert found.as_dict()["intervals"]["LNK"]["count"] == 3


def test_several_movies_have_intervals_over_movies(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_ctc(tmp_path / "truth" / name, FRAMES)
        write_ctc(tmp_path / "result" / name, FRAMES if name != "c" else [{1: cells[1]} for cells in FRAMES])
    found = evaluate_movies(tmp_path / "result", tmp_path / "truth", 4)
    assert found.of == "3 movies"
    assert found.rows()[1][:3] == ["DET", "", f"{(1 + 1 + 0.5) / 3:.4f}"]


def test_a_truth_with_other_frames_is_rejected(tmp_path: Path) -> None:
    truth, result = write_ctc(tmp_path / "truth", FRAMES[:5]), write_ctc(tmp_path / "result", FRAMES)
    with pytest.raises(DataError, match="5 frames of 60 x 80, got 12 frames"):
        evaluate_movies(result, truth, 4)


@pytest.mark.parametrize("which", ["result", "truth"])
def test_an_absent_label_image_is_rejected(tmp_path: Path, which: str) -> None:
    for name in ("result", "truth"):
        write_ctc(tmp_path / name, FRAMES[:5])
    (tmp_path / which / "mask002.tif").unlink()
    with pytest.raises(DataError, match=rf"{which}: .* a label image of each frame, got none of frame 2; add it"):
        evaluate_movies(tmp_path / "result", tmp_path / "truth", 4)


def test_folders_without_images_are_rejected(tmp_path: Path) -> None:
    truth = write_ctc(tmp_path / "truth", FRAMES[:3])
    (tmp_path / "result").mkdir()
    with pytest.raises(DataError, match=r"must hold mask000.tif or ctc/, or folders that do, got none"):
        evaluate_movies(tmp_path / "result", truth, 4)
    (tmp_path / "result" / "res_track.txt").write_text("1 0 2 0\n")
    with pytest.raises(DataError, match=r"result: .*images"):
        evaluate_movies(tmp_path / "result", truth, 4)


def test_folders_without_tracks_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got none; give another"):
        evaluate_movies(tmp_path, tmp_path, 4)
    result = write_ctc(tmp_path / "result", FRAMES)
    with pytest.raises(DataError, match=r"must be a folder of tracks with res_track.txt or man_track.txt"):
        evaluate_movies(result, tmp_path / "nothing", 4)


def test_seg_is_of_the_outlines_where_the_tracks_are_markers(tmp_path: Path) -> None:
    """As in the Cell Tracking Challenge: every frame has markers, some have outlines."""
    truth = tmp_path / "truth"
    result = write_ctc(tmp_path / "result", FRAMES)
    write_ctc(truth / "TRA", FRAMES, "man_track", "man_track.txt")
    for frame, cells in enumerate(FRAMES):
        tifffile.imwrite(truth / "TRA" / f"man_track{frame:03d}.tif", draw(cells, half=1))
    markers = evaluate_movies(result, truth, 4).movies[result]
    (truth / "SEG").mkdir()
    for frame in (1, 9):
        outlines = draw({7: FRAMES[frame][1], 8: FRAMES[frame][2]})
        outlines[outlines == (8 if frame == 9 else 0)] = 0
        tifffile.imwrite(truth / "SEG" / f"man_seg{frame:03d}.tif", outlines)
    found = evaluate_movies(result, truth, 4)
    scores = found.movies[result]
    assert (markers["SEG"], scores["SEG"]) == (pytest.approx(9 / 49), 1.0)
    assert {name: scores[name] for name in ("TRA", "DET", "LNK")} == {name: markers[name] for name in ("TRA", "DET", "LNK")}
    assert [part["SEG"] for part in found.parts] == [1.0, None, 1.0]
    assert found.lines()[0] == "result: SEG is of the 2 frames that the truth has in SEG"

    tifffile.imwrite(truth / "SEG" / "man_seg001.tif", np.ones((5, 6), np.uint16))
    with pytest.raises(DataError, match=r"man_seg001\.tif: must have 60 x 80 pixels as the frames, got 5 x 6"):
        evaluate_movies(result, truth, 4)
