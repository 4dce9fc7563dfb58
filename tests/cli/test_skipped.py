"""Files and folders that a command skips are named, once, before the work begins."""

import pytest

from tests.support.commands import livecell
from tests.support.worlds import write_folder

LINE = "skipped 1 file that is no readable image: z.bmp; save images as TIFF or PNG"


@pytest.fixture
def data(tmp_path):
    write_folder(tmp_path / "data")
    (tmp_path / "data" / "train" / "images" / "z.bmp").write_bytes(b"BM")
    (tmp_path / "data" / "train" / "images" / ".DS_Store").touch()
    return tmp_path / "data"


@pytest.mark.parametrize("command", ["info", "check", "plan"])
def test_commands_that_succeed(data, command):
    images = data / "train" / "images"
    done = livecell(command, images if command == "info" else data)
    assert done.code == 0
    assert done.err.splitlines() == [f"note: {images}: {LINE}"]


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_before_the_work_begins(data, tmp_path, command):
    images = data / "train" / "images"
    done = livecell(command, tmp_path / "none", images if command == "predict" else data, "-o", tmp_path / "out")
    assert done.code == 2
    note, error = done.err.splitlines()
    assert note == f"note: {images}: {LINE}"
    assert error.startswith("error: ")


@pytest.mark.parametrize("command", ["train", "crossval", "learning-curve", "sweep"])
def test_trainings(data, tmp_path, command):
    done = livecell(command, data, "-o", tmp_path / "out", "--set", "lr=-1")
    assert done.code == 2
    note, error = done.err.splitlines()
    assert note == f"note: {data / 'train' / 'images'}: {LINE}"
    assert "lr" in error
    assert not (tmp_path / "out").exists()
