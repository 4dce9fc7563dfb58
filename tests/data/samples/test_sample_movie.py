import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.readers import open_stack
from livecell_monai.data.samples import sample_movie
from livecell_monai.data.samples.movie_plan import MovieSettings
from livecell_monai.data.samples.sample_movie import MovieSummary, write_sample_movie
from livecell_monai.errors import DataError, SettingError

SETTINGS = MovieSettings(frames=14, interval_min=60, size=192, doubling_h=8)


def read_rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movie")
    write_sample_movie(folder, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def labels(movie: Path) -> list[np.ndarray]:
    return [tifffile.imread(path) for path in sorted((movie / "truth").glob("*.tif"))]


@pytest.fixture(scope="module")
def tracks(movie: Path) -> np.ndarray:
    return np.loadtxt(movie / "truth" / "man_track.txt", dtype=int, ndmin=2)


def test_folder_has_the_expected_form(movie: Path) -> None:
    found = {path.relative_to(movie).as_posix() for path in movie.rglob("*") if path.is_file()}
    data = {f"{role}/{kind}/movie_t{frame:03d}.tif" for role, frames in (("train", (0, 6, 13)), ("test", (3, 9)))
            for frame in frames for kind in ("images", "labels")}  # fmt: skip
    truth = {f"truth/man_track{frame:03d}.tif" for frame in range(14)} | {"truth/man_track.txt"}
    assert found == data | truth | {f"truth/{name}.csv" for name in ("tracks", "frames", "movie")} | {"movie.ome.tif"}
    assert [sample.name for sample in list_samples(movie, "train")] == ["movie_t000", "movie_t006", "movie_t013"]


def test_the_movie_states_its_interval_and_pixel_size(movie: Path) -> None:
    with open_stack(movie / "movie.ome.tif") as stack:
        assert dict(zip(stack.axes, stack.shape, strict=True)) == {"T": 14, "C": 1, "Z": 1, "Y": 192, "X": 192}
        assert stack.channels == ("phase contrast",)
        assert stack.interval_min == 60
        assert stack.pixel_size_um == (0.65, 0.65)


def test_frames_of_the_data_folder_are_those_of_the_movie(movie: Path, labels: list[np.ndarray]) -> None:
    frames = tifffile.imread(movie / "movie.ome.tif")
    for role, chosen in (("train", (0, 6, 13)), ("test", (3, 9))):
        for frame in chosen:
            image, label = (
                tifffile.imread(movie / role / kind / f"movie_t{frame:03d}.tif") for kind in ("images", "labels")
            )
            np.testing.assert_array_equal(image, frames[frame])
            np.testing.assert_array_equal(label, labels[frame])


def test_truth_is_valid_for_the_cell_tracking_challenge(movie: Path, labels: list[np.ndarray], tracks: np.ndarray) -> None:
    valid = pytest.importorskip("ctc_metrics.metrics").valid
    found = [[int(number) for number in np.unique(label) if number] for label in labels]
    assert valid([str(frame) for frame in range(14)], tracks, found) == 1
    broken = tracks.copy()
    broken[np.argmax(tracks[:, 2] - tracks[:, 1]), 2] -= 1  # the check itself can fail
    with pytest.warns(UserWarning, match="in mask but not in res_track"):
        assert valid([str(frame) for frame in range(14)], broken, found) == 0


def test_labels_are_present_in_each_frame_of_their_track(labels: list[np.ndarray], tracks: np.ndarray) -> None:
    assert labels[0].dtype == np.uint16
    assert tracks[:, 0].tolist() == list(range(1, len(tracks) + 1))
    for frame, label in enumerate(labels):
        there = tracks[(tracks[:, 1] <= frame) & (frame <= tracks[:, 2]), 0]
        assert np.unique(label[label > 0]).tolist() == sorted(there.tolist())


def test_daughters_begin_in_the_next_frame_beside_their_mother(labels: list[np.ndarray], tracks: np.ndarray) -> None:
    ends = dict(zip(tracks[:, 0].tolist(), tracks[:, 2].tolist(), strict=True))
    daughters = tracks[tracks[:, 3] > 0]
    assert len(daughters) >= 6  # of three divisions or more
    for label, first, _, parent in daughters.tolist():
        assert first == ends[parent] + 1
        mother, daughter = (ndimage.center_of_mass(labels[at] == one) for at, one in ((first - 1, parent), (first, label)))
        assert np.hypot(*np.subtract(mother, daughter)) < 40
    assert np.bincount(daughters[:, 3]).max() == 2


def test_labels_do_not_jump(labels: list[np.ndarray]) -> None:
    for before, after in pairwise(labels):
        for number in np.intersect1d(before[before > 0], after):
            away = np.subtract(*(ndimage.center_of_mass(label == number) for label in (before, after)))
            assert np.hypot(*away) < 40


def test_tables_state_growth_and_drift(movie: Path, labels: list[np.ndarray], tracks: np.ndarray) -> None:
    frames = read_rows(movie / "truth" / "frames.csv")
    assert [int(row["cells"]) for row in frames] == [len(np.unique(label)) - 1 for label in labels]
    assert [float(row["time_min"]) for row in frames] == [60.0 * frame for frame in range(14)]
    assert (float(frames[0]["shift_y_px"]), float(frames[0]["shift_x_px"])) == (0, 0)
    assert max(abs(float(row["shift_x_px"])) for row in frames) > 0.5
    (row,) = read_rows(movie / "truth" / "movie.csv")
    assert float(row["doubling_time_h"]) == 8
    assert float(row["doubling_time_of_labels_h"]) == pytest.approx(8, rel=0.15)
    parents = tracks[tracks[:, 3] > 0, 3]
    assert int(row["divisions"]) == sum(np.bincount(parents) == 2)
    fates = [row["fate"] for row in read_rows(movie / "truth" / "tracks.csv")]
    assert len(fates) == len(tracks)
    assert fates.count("end of movie") == int(row["cells_last"])


def test_the_same_settings_give_the_same_files(tmp_path: Path) -> None:
    small = MovieSettings(frames=2, size=128)
    for name, settings in (("one", small), ("again", small), ("other", replace(small, seed=1))):
        write_sample_movie(tmp_path / name, settings, train=1, test=1)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    one, again, other = ([(tmp_path / name / path).read_bytes() for path in files] for name in ("one", "again", "other"))
    assert one == again
    images = [index for index, path in enumerate(files) if path.name.startswith("movie")]
    assert all(one[index] != other[index] for index in images)


def test_one_frame_makes_a_movie(tmp_path: Path) -> None:
    done = write_sample_movie(tmp_path, MovieSettings(frames=1, size=128), train=1, test=0)
    assert isinstance(done, MovieSummary)
    assert done.doubling_h is None
    with open_stack(tmp_path / "movie.ome.tif") as stack:
        assert stack.shape[-2:] == (128, 128)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": 0}, "--frames: a sample movie needs at least 5, 3 to train and 2 to test, got 0"),
        ({"frames": 4}, "--frames: a sample movie needs at least 5"),
        ({"interval_min": 0.0}, "--interval: a sample movie needs a number of minutes above 0, got 0"),
        ({"interval_min": -5.0}, "--interval: a sample movie needs a number of minutes above 0, got -5"),
        ({"interval_min": float("nan")}, "--interval: .*got nan"),
        ({"interval_min": float("inf")}, "--interval: .*got inf"),
        ({"size": 100}, "--size: a sample movie needs 128 to 4096 pixels, got 100"),
        ({"size": 5000}, "--size: a sample movie needs 128 to 4096 pixels, got 5000"),
        ({"seed": -1}, "--seed: a sample movie needs at least 0, got -1"),
        ({"doubling_h": 2.0}, "--doubling: a sample movie needs at least 8 hours"),
        (
            {"frames": 146},
            "--frames: a sample movie needs at most 145 frames with --interval 30 .* got 146; choose fewer",
        ),
    ],
)
def test_rejects_what_makes_no_movie(tmp_path: Path, changes: dict[str, float], words: str) -> None:
    with pytest.raises(SettingError, match=words) as caught:
        write_sample_movie(tmp_path / "new", replace(MovieSettings(), **changes))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_rejects_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="new or empty folder only, this one holds 1 entry"):
        write_sample_movie(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_failing_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    write_plane = sample_movie.write_plane

    def fail_at_the_second(path: Path, *args: object, **kwargs: object) -> None:
        if written:
            raise OSError("disk full")
        write_plane(path, *args, **kwargs)  # type: ignore[arg-type]
        written.append(path)

    monkeypatch.setattr(sample_movie, "write_plane", fail_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        write_sample_movie(tmp_path / "set", MovieSettings(frames=2, size=128), train=1, test=0)
    assert written
    assert list(tmp_path.iterdir()) == []


def test_frames_are_drawn_as_they_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[int] = []
    paint = sample_movie.MoviePainter.paint

    def count(self: sample_movie.MoviePainter) -> object:
        for frame in paint(self):
            drawn.append(len(drawn))
            # the label of each earlier frame is on disk before the next one is drawn
            assert len(list(tmp_path.rglob("man_track*.tif"))) == drawn[-1]
            yield frame

    monkeypatch.setattr(sample_movie.MoviePainter, "paint", count)
    write_sample_movie(tmp_path / "set", MovieSettings(frames=3, size=128), train=1, test=0)
    assert drawn == [0, 1, 2]
