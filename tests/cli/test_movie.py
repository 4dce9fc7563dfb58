"""Movies by the command line and by `monai.bundle`: from a file or a folder of frames to a stack, a table and a plot."""

import csv
import os
import resource
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.readers import close_last, open_stack
from tests.support.commands import livecell, refused
from tests.support.fresh import run_python, start_python
from tests.support.stack_files import INTERVAL_MIN, SIZE_UM, write_ome_tiff, write_zarr
from tests.support.worlds import picture_of, some_cells

COUNT = 5
PICTURES = np.stack([picture_of(some_cells(seed=seed), seed) for seed in range(COUNT)])
QUIET = ("--set", "show_progress=false", "--set", "accelerator=cpu")
TIMELESS = (
    "note: frames: no time between frames is known, time_min in frames_frames.csv is empty; give it by --interval MINUTES\n"
)
NOTE = "frames: 1 frame has no mask, see frames_frames.csv\n"
LEFT = {"movie.ome.tif", "movie_frames.csv", "movie_confluency.png", "summary.csv"}


@pytest.fixture(scope="module")
def bundle(trained):
    return trained[1]


@pytest.fixture
def movie(tmp_path):
    (tmp_path / "in").mkdir()
    yield write_ome_tiff(tmp_path / "in" / "movie.ome.tif", PICTURES, "TYX", compression="zlib")
    close_last()


@pytest.fixture
def frames(tmp_path):
    """A folder of the same frames, t8.tif to t12.tif."""
    folder = tmp_path / "in" / "frames"
    folder.mkdir(parents=True)
    for number, picture in enumerate(PICTURES, start=8):
        tifffile.imwrite(folder / f"t{number}.tif", picture)
    yield folder
    close_last()


@pytest.fixture(scope="module")
def whole(bundle, tmp_path_factory):
    """The masks of the movie, all of whose frames can be read."""
    folder = tmp_path_factory.mktemp("whole")
    write_ome_tiff(folder / "movie.ome.tif", PICTURES, "TYX")
    done = livecell("predict", bundle, folder / "movie.ome.tif", "--output", folder / "out", *QUIET)
    assert done.code == 0, done
    return tifffile.imread(folder / "out" / "movie.ome.tif")


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def names(folder):
    return {path.name for path in folder.iterdir()}


def tear(path):
    """Damage in the pixels of the third frame, with intact headers."""
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[2]
        start, count = page.dataoffsets[0], page.databytecounts[0]
    with open(path, "r+b") as stream:
        stream.seek(start)
        stream.write(b"\xff" * count)


def test_a_movie_gives_a_stack_a_table_and_a_plot(bundle, movie, tmp_path):
    done = livecell("predict", bundle, movie, "--output", tmp_path / "out", *QUIET)
    assert (done.code, done.err) == (0, "")
    assert names(tmp_path / "out") == LEFT
    with tifffile.TiffFile(tmp_path / "out" / "movie.ome.tif") as tif:
        assert [(series.axes, series.shape) for series in tif.series] == [("TYX", PICTURES.shape)]
    with open_stack(tmp_path / "out" / "movie.ome.tif") as stack:
        assert stack.pixel_size_um == SIZE_UM
        assert stack.interval_min == pytest.approx(INTERVAL_MIN)
    table = read_table(tmp_path / "out" / "movie_frames.csv")
    masks = tifffile.imread(tmp_path / "out" / "movie.ome.tif") > 0
    assert [float(row["foreground_fraction"]) for row in table] == [round(float(mask.mean()), 6) for mask in masks]
    assert [float(row["time_min"]) for row in table] == [INTERVAL_MIN * frame for frame in range(COUNT)]
    (row,) = read_table(tmp_path / "out" / "summary.csv")
    assert (row["image"], row["frames"]) == ("movie", str(COUNT))
    with Image.open(tmp_path / "out" / "movie_confluency.png") as plot:
        assert plot.format == "PNG"


def test_each_mask_is_that_of_the_frame_alone(bundle, movie, frames, tmp_path):
    settings = ("--probability", *QUIET)
    assert livecell("predict", bundle, frames, "--output", tmp_path / "alone", *settings).code == 0
    assert livecell("predict", bundle, movie, "--output", tmp_path / "whole", *settings).code == 0
    assert livecell("predict", bundle, frames, "--movie", "--output", tmp_path / "folder", *settings).code == 0
    for kind in ("", "_probability"):
        alone = np.stack([tifffile.imread(tmp_path / "alone" / f"t{number}{kind}.tif") for number in range(8, 13)])
        assert len({plane.tobytes() for plane in alone}) == COUNT  # no frame stands for another
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "whole" / f"movie{kind}.ome.tif"), alone)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "folder" / f"frames{kind}.ome.tif"), alone)


@pytest.mark.parametrize("given", ["folder", "glob", "files"])
def test_a_folder_of_numbered_frames_is_a_movie_on_request(bundle, frames, tmp_path, given):
    inputs = {"folder": [frames], "glob": [frames / "t*.tif"], "files": sorted(frames.iterdir())}[given]
    done = livecell("predict", bundle, *inputs, "--movie", "--interval", 30, "--output", tmp_path / "out", *QUIET)
    assert (done.code, done.err) == (0, "")
    assert names(tmp_path / "out") == {"frames.ome.tif", "frames_frames.csv", "frames_confluency.png", "summary.csv"}
    table = read_table(tmp_path / "out" / "frames_frames.csv")
    assert [float(row["time_min"]) for row in table] == [0, 30, 60, 90, 120]
    with open_stack(tmp_path / "out" / "frames.ome.tif") as stack:
        assert stack.interval_min == pytest.approx(30)


def test_frames_without_an_interval_say_that_their_times_are_unknown(bundle, frames, tmp_path):
    done = livecell("predict", bundle, frames, "--movie", "--output", tmp_path / "out", *QUIET)
    assert (done.code, done.err) == (0, TIMELESS)
    assert {row["time_min"] for row in read_table(tmp_path / "out" / "frames_frames.csv")} == {""}
    assert "--interval MINUTES" in TIMELESS


def test_an_ome_zarr_gives_an_ome_tiff_of_the_same_masks(bundle, movie, tmp_path):
    write_zarr(tmp_path / "in" / "zarr" / "movie.ome.zarr", PICTURES, "TYX")
    for name, given in (("tiff", movie), ("zarr", tmp_path / "in" / "zarr" / "movie.ome.zarr")):
        assert livecell("predict", bundle, given, "--output", tmp_path / name, *QUIET).code == 0
    close_last()
    assert names(tmp_path / "zarr") == LEFT
    tiff, zarr = (open_stack(tmp_path / name / "movie.ome.tif") for name in ("tiff", "zarr"))
    with tiff, zarr:
        assert (zarr.pixel_size_um, zarr.interval_min) == (SIZE_UM, pytest.approx(INTERVAL_MIN))
        for frame in range(COUNT):
            np.testing.assert_array_equal(zarr.read(frame), tiff.read(frame))


def test_some_frames_and_overlays(bundle, movie, tmp_path):
    done = livecell("predict", bundle, movie, "--time", "1:4", "--overlay", "--output", tmp_path / "out", *QUIET)
    assert done.code == 0
    assert names(tmp_path / "out") == LEFT | {f"movie_overlay_{place}.png" for place in ("first", "middle", "last")}
    assert [row["frame"] for row in read_table(tmp_path / "out" / "movie_frames.csv")] == ["1", "2", "3"]
    assert tifffile.imread(tmp_path / "out" / "movie.ome.tif").shape[0] == 3
    with Image.open(tmp_path / "out" / "movie_overlay_middle.png") as overlay:
        assert overlay.size == PICTURES.shape[:0:-1]


def test_movies_and_single_images_together(bundle, movie, frames, tmp_path):
    done = livecell("predict", bundle, frames / "t8.tif", movie, "--output", tmp_path / "out", *QUIET)
    assert done.code == 0
    assert names(tmp_path / "out") == LEFT | {"t8.tif"}
    assert [(row["image"], row["frames"]) for row in read_table(tmp_path / "out" / "summary.csv")] == [
        ("t8", ""),
        ("movie", str(COUNT)),
    ]


class TestBadInput:
    def check_third_is_empty(self, done, out, name, words, whole):
        """All other masks are those of the movie as it was."""
        assert (done.code, done.err.removeprefix(TIMELESS)) == (3, f"{name}: 1 frame has no mask, see {name}_frames.csv\n")
        masks = tifffile.imread(out / f"{name}.ome.tif")
        assert not masks[2].any()
        np.testing.assert_array_equal(np.delete(masks, 2, axis=0), np.delete(whole, 2, axis=0))
        table = read_table(out / f"{name}_frames.csv")
        assert [bool(row["problem"]) for row in table] == [False, False, True, False, False]
        assert words in table[2]["problem"]
        assert table[2]["foreground_fraction"] == ""
        assert (out / f"{name}_confluency.png").is_file()

    @pytest.mark.parametrize(
        "workers", [(), pytest.param(("--workers", 1), marks=pytest.mark.slow)], ids=["here", "workers"]
    )
    def test_a_torn_frame_is_empty_and_the_others_stay(self, bundle, movie, tmp_path, whole, workers):
        tear(movie)
        done = livecell("predict", bundle, movie, "--overlay", *workers, "--output", tmp_path / "out", *QUIET)
        done = replace(done, err="".join(done.err.splitlines(keepends=True)[-1:]))  # workers tell of themselves
        self.check_third_is_empty(done, tmp_path / "out", "movie", "movie.ome.tif (frame 2): cannot be read as TIFF", whole)
        assert (tmp_path / "out" / "movie_overlay_middle.png").is_file()

    @pytest.mark.parametrize("change", [lambda path: tifffile.imwrite(path, np.zeros_like(PICTURES[0]))], ids=["dark"])
    def test_a_dark_frame_is_empty_and_the_others_stay(self, bundle, frames, tmp_path, whole, change):
        change(frames / "t10.tif")
        done = livecell("predict", bundle, frames, "--movie", "--output", tmp_path / "out", *QUIET)
        self.check_third_is_empty(done, tmp_path / "out", "frames", "must not be constant, got 0 in every pixel", whole)

    @pytest.mark.parametrize("header", [True, False])
    def test_a_torn_file_among_frames_is_named(self, bundle, frames, tmp_path, whole, header):
        path = frames / "t10.tif"
        path.write_bytes(path.read_bytes()[: 100 if header else -100])
        done = livecell("predict", bundle, frames, "--movie", "--output", tmp_path / "out", *QUIET)
        self.check_third_is_empty(done, tmp_path / "out", "frames", "t10.tif: cannot be read as TIFF", whole)

    def test_a_missing_file_among_frames_is_empty_if_gaps_are_allowed(self, bundle, frames, tmp_path, whole):
        (frames / "t10.tif").unlink()
        done = livecell("predict", bundle, frames, "--movie", "--allow-gaps", "--output", tmp_path / "out", *QUIET)
        assert (done.code, done.err) == (0, TIMELESS)
        self.check_third_is_empty(replace(done, code=3, err=NOTE), tmp_path / "out", "frames", "missing", whole)

    def test_a_movie_of_dark_frames_fails_alone(self, bundle, frames, tmp_path):
        dark = write_ome_tiff(tmp_path / "in" / "dark.ome.tif", np.zeros_like(PICTURES), "TYX")
        done = livecell("predict", bundle, dark, frames / "t8.tif", "--output", tmp_path / "out", *QUIET)
        assert done.code == 3
        first, second = done.err.splitlines()
        assert first.startswith("error: ")
        assert "dark.ome.tif (frame 4): an image must not be constant" in first
        assert second == "1 of 2 images have no mask"
        assert names(tmp_path / "out") == {"t8.tif", "summary.csv"}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda folder: (folder / "t10.tif").unlink(), "10 is missing after t9.tif"),
            (lambda folder: shutil.copy(folder / "t8.tif", folder / "t08.tif"), "a number of its own"),
            (lambda folder: shutil.copy(folder / "t8.tif", folder / "dark.tif"), "differ in one number only"),
            (lambda folder: tifffile.imwrite(folder / "t13.tif", PICTURES[0, :50]), "t13.tif: frames of a movie must be of"),
        ],
        ids=["missing", "twice", "another", "size"],
    )
    def test_frames_that_are_no_movie(self, bundle, frames, tmp_path, change, words):
        change(frames)
        refused(livecell("predict", bundle, frames, "--movie", "--output", tmp_path / "out", *QUIET), words)
        assert not (tmp_path / "out").exists()

    def test_a_file_is_no_folder_of_frames(self, bundle, movie, tmp_path):
        done = livecell("predict", bundle, movie, "--movie", "--output", tmp_path / "out", *QUIET)
        refused(done, "movie.ome.tif", "leave out --movie for a file that is a movie itself")

    @pytest.mark.parametrize("there", ["movie.ome.tif", "movie_frames.csv", "movie_confluency.png", "summary.csv"])
    def test_an_output_that_exists(self, bundle, movie, tmp_path, there):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / there).write_text("mine")
        command = ("predict", bundle, movie, "--output", tmp_path / "out", *QUIET)
        refused(livecell(*command), f"{there}: already exists", "--overwrite")
        assert names(tmp_path / "out") == {there}
        assert (tmp_path / "out" / there).read_text() == "mine"
        assert livecell(*command, "--overwrite").code == 0
        assert names(tmp_path / "out") == LEFT

    def test_the_movie_itself_is_never_overwritten(self, bundle, movie, tmp_path):
        done = livecell("predict", bundle, movie, "--overwrite", "--output", tmp_path / "in", *QUIET)
        refused(done, "movie.ome.tif: a result would overwrite an input")

    @pytest.mark.parametrize(
        ("interval", "words"),
        [
            ("0", "setting interval_min must be a number above 0"),
            ("-3", "setting interval_min must be a number above 0"),
            ("nan", "setting interval_min must be a number above 0 or null, got nan"),
        ],
    )
    def test_an_interval_that_is_no_time(self, bundle, movie, tmp_path, interval, words):
        done = livecell("predict", bundle, movie, "--interval", interval, "--output", tmp_path / "out", *QUIET)
        refused(done, words)
        assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(bundle, tmp_path):
    """The system limits files to 60 kB; the probabilities need more."""
    noise = np.random.default_rng(0).integers(0, 2**16, (4, 256, 256), np.uint16)
    tifffile.imwrite(tmp_path / "movie.ome.tif", noise, metadata={"axes": "TYX"})
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, usual[1]))
    try:
        done = livecell("predict", bundle, tmp_path / "movie.ome.tif", "--output", tmp_path / "out", "--probability", *QUIET)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    refused(done, "movie_probability.ome.tif: cannot be written (File too large); make room")
    assert names(tmp_path / "out") == set()
    close_last()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_nothing_under_the_final_name(bundle, tmp_path, ending):
    (tmp_path / "in").mkdir()
    movie = write_ome_tiff(tmp_path / "in" / "movie.ome.tif", np.concatenate([PICTURES] * 200), "TYX")
    out = tmp_path / "out"
    process = start_python("-m", "livecell_monai.cli", "predict", bundle, movie, "--output", out, *QUIET)
    while not (out.is_dir() and os.listdir(out)):  # frames are being written
        assert process.poll() is None, process.err
        time.sleep(0.02)
    process.send(ending)
    assert process.wait(60) != 0
    left = names(out)
    assert all(name.startswith(".") for name in left)
    if ending == signal.SIGINT:
        assert left == set()
        assert "Traceback" not in process.err


@pytest.mark.slow  # the README's own commands predict by MONAI too
def test_by_monai_alone(bundle, frames, tmp_path):
    """Settings only, from inside the bundle."""
    settings = {"movie": "True", "interval_min": "15", "show_progress": "False", "accelerator": "cpu"}
    paths = {"dataset_dir": str(frames), "output_dir": str(tmp_path / "out")}
    given = [word for name, value in {**settings, **paths}.items() for word in (f"--{name}", value)]
    command = ["-m", "monai.bundle", "run", "inferring", "--config_file", "configs/inference.yaml"]
    done = run_python(*command, *given, cwd=bundle)
    assert done.returncode == 0, done.stderr[-2000:]
    assert names(tmp_path / "out") == {"frames.ome.tif", "frames_frames.csv", "frames_confluency.png", "summary.csv"}
    assert [float(row["time_min"]) for row in read_table(tmp_path / "out" / "frames_frames.csv")] == [0, 15, 30, 45, 60]


@pytest.mark.real
def test_the_movie_of_t98g(bundle, tmp_path):
    folder = Path(os.environ["LIVECELL_DATA"]) / "t98g_movie"
    done = livecell("predict", bundle, folder, "--movie", "--interval", 10, "--output", tmp_path / "out", *QUIET)
    assert (done.code, done.err) == (0, "")
    with tifffile.TiffFile(tmp_path / "out" / "t98g_movie.ome.tif") as tif:
        assert [(series.axes, series.shape) for series in tif.series] == [("TYX", (37, 1022, 1024))]
    table = read_table(tmp_path / "out" / "t98g_movie_frames.csv")
    assert len(table) == 37
    assert float(table[-1]["time_min"]) == 360
    assert all(0 <= float(row["foreground_fraction"]) <= 1 for row in table)
    frame = livecell("predict", bundle, folder / "t20.tif", "--output", tmp_path / "alone", *QUIET)
    assert frame.code == 0
    masks = tifffile.imread(tmp_path / "out" / "t98g_movie.ome.tif")
    np.testing.assert_array_equal(masks[19], tifffile.imread(tmp_path / "alone" / "t20.tif"))
    close_last()
