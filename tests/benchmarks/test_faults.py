"""The short form of the soak's faults: every writer and every command on a disk without room; and what counts as a loss."""

import shutil

import numpy as np
import pytest
import tifffile
from soak import disk, faults, interrupting
from soak.commands import COMMANDS, Studio
from soak.writers import WRITERS


@pytest.fixture(scope="module")
def studio(trained, tmp_path_factory):
    """What the soak works on, with the bundle that the other tests use as well."""
    root = tmp_path_factory.mktemp("studio")
    shutil.copytree(trained[1], root / "other")
    noise = np.random.default_rng(0).integers(0, 2**16, (3, 96, 112), np.uint16)
    tifffile.imwrite(root / "movie.ome.tif", noise, metadata={"axes": "TYX"})
    tifffile.imwrite(root / "large.tif", np.tile(noise[0], (12, 10)), tile=(256, 256), metadata=None)
    return Studio(root, trained[0], trained[1], root / "other", root / "movie.ome.tif", root / "large.tif")


SLOW = ("confluency", "learning curve", "sample set")  # figures as `curves` is one, planes as others are


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in WRITERS])
def test_a_disk_without_room_for_the_last_byte(tmp_path, name):
    """By a limit on the size of files, which the system holds to the byte; the soak fills a disk."""
    assert faults.try_writer(name, tmp_path / "spare", None, 0.9999) == []


@pytest.mark.parametrize("name", ["mask", "table", "movie", "mosaic", "weights", "crop"])
def test_a_disk_without_room_for_anything(tmp_path, name):
    assert faults.try_writer(name, tmp_path / "spare", None, 0.0) == []


@pytest.mark.parametrize("name", ["plan", "predict", "evaluate", "compare"])
def test_a_command_on_a_disk_without_room(studio, name):
    assert name in COMMANDS
    assert faults.try_command(name, studio, None, 0.5) == []


@pytest.mark.slow  # what these write is among the writers above
@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"plan", "predict", "evaluate", "compare"}))
def test_a_long_command_on_a_disk_without_room(studio, name):
    assert faults.try_command(name, studio, None, 0.5) == []


@pytest.mark.slow  # the soak itself
def test_every_kind_is_tried_once_whatever_the_time():
    tried = faults.run(1.0, 3)
    assert len(tried) == 4
    assert all(one.times >= 1 and not one.lost for one in tried), tried


class TestJudge:
    """A soak that sees nothing finds nothing."""

    def test_a_writer_that_tears_its_file_is_found(self, tmp_path, monkeypatch):
        def tear(folder, seed):
            with open(folder / "a.json", "w") as stream:
                stream.write('{"a": ' + str(seed) * 5000 + "}")

        monkeypatch.setitem(WRITERS, "torn", tear)
        told = faults.try_writer("torn", tmp_path / "spare", None, 0.5)
        assert told == ["torn, room for 0.500: a.json is half a file"]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.tif", b"II*\0half"),
            ("a.png", b"\x89PNG\r\n\x1a\nhalf"),
            ("a.csv", b"a,b\n1,2\n3"),
            ("a.json", b'{"a": '),
            ("a.html", b"<html><body>"),
            ("a.pt", b""),
            (".writing-0123.tif", b"anything"),
        ],
    )
    def test_what_is_torn_or_left_behind(self, tmp_path, name, content):
        assert disk.find_torn(tmp_path) == []
        (tmp_path / name).write_bytes(content)
        assert len(disk.find_torn(tmp_path)) == 1

    @pytest.mark.parametrize("told", ["", "Traceback ...\nOSError: full", "error: a\nerror: b", "error: something else"])
    def test_what_is_no_clear_line(self, tmp_path, told):
        assert len(faults.judge(told, tmp_path, {})) == 1

    def test_a_file_that_is_gone(self, tmp_path):
        assert faults.judge("error: a.csv: cannot be written; make room", tmp_path, {"b.csv": b""}) == ["b.csv is gone"]

    def test_a_slow_or_loud_end(self, tmp_path):
        assert interrupting.judge(130, "interrupted\n", 0.5, tmp_path) == []
        assert len(interrupting.judge(130, "interrupted\n", 5.5, tmp_path)) == 1
        assert len(interrupting.judge(1, "Traceback ...\nKeyboardInterrupt\n", 0.5, tmp_path)) == 1
