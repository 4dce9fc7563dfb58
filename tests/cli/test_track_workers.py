"""`livecell track` with --scheduler: the workers of a real scheduler on loopback, which run in another folder."""

from pathlib import Path

import pytest
import tifffile

from tests.support.commands import livecell, refused
from tests.support.moving_cells import draw
from tests.support.schedulers import scheduling

pytestmark = pytest.mark.slow
OPTIONS = "--no-mlflow", "--greatest-step", 9


def write_movie(folder: Path, cells: int) -> None:
    folder.mkdir()
    for frame in range(4):
        places = {label: (20 * label, 20 + frame) for label in range(1, cells + 1)}
        tifffile.imwrite(folder / f"mask{frame:03d}.tif", draw(places))


def test_movies_are_shared_over_the_workers_of_a_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for cells in (1, 2):
        write_movie(Path(f"dish{cells}"), cells)
    assert livecell("track", "dish1", "dish2", "--output", "plain", *OPTIONS).code == 0
    with scheduling(tmp_path / "elsewhere") as (address, _):
        shared = ("--output", "shared", "--scheduler", address, *OPTIONS)
        done = livecell("track", "dish1", "dish2", *shared)
        assert (done.code, done.err) == (0, "")
        assert done.out.count("greatest_step = 9 px: set by the user") == 2
        for name in ("dish1/tracks.csv", "dish1/lineages.csv", "dish2/tracks.csv", "dish2/lineages.csv"):
            assert Path("shared", name).read_bytes() == Path("plain", name).read_bytes()
        assert not any((tmp_path / "elsewhere").iterdir())

        refused(livecell("track", "dish1", "dish2", *shared), "--overwrite")
        tifffile.imwrite("dish2/mask001.tif", draw({1: (20, 20)})[:40])
        wrong = livecell("track", "dish1", "dish2", *shared, "--overwrite")
        refused(wrong, "dish2", "of one size")
