"""Commands run without a user's entry, without a home, and with closed, broken or ASCII streams."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from tests.support.worlds import picture_of, some_cells

COMMAND = f"{sys.executable} -m livecell_monai.cli"
PEOPLE = ("LOGNAME", "USER", "LNAME", "USERNAME")
ASK = """
import getpass, os, sys
{before}
import livecell_monai
print(getpass.getuser(), os.path.expanduser("~"), os.environ.get("MPLCONFIGDIR", "none"), sep="\\n")
"""


def shell(command, cwd, **variables):
    clean = {name: value for name, value in os.environ.items() if name not in (*PEOPLE, "MPLCONFIGDIR")}
    paths = {"PYTHONPATH": str(Path(__file__).parents[1]), **variables}
    call = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(call, cwd=cwd, env={**clean, **paths}, capture_output=True, text=True, timeout=300)


def ask(before, cwd, **variables):
    (cwd / "ask.py").write_text(ASK.format(before=before))
    done = shell(f"{sys.executable} ask.py", cwd, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:3]


class TestEnvironment:
    NOBODY = "import pwd\ndef unknown(uid): raise KeyError(uid)\npwd.getpwuid = unknown\n"

    def test_a_user_without_an_entry_gets_a_name_and_a_folder(self, tmp_path):
        name, home, cache = ask(self.NOBODY + "os.environ.pop('HOME', None)", tmp_path)
        assert name == f"user{os.getuid()}"
        assert cache == f"{home}/matplotlib"
        assert not Path(home).exists()  # removed at the end of the process
        assert os.listdir(tmp_path) == ["ask.py"]

    def test_what_is_set_is_kept(self, tmp_path):
        found = ask(self.NOBODY, tmp_path, USER="anna", HOME=str(tmp_path))
        assert found == ["anna", str(tmp_path), "none"]
        assert ask(self.NOBODY, tmp_path, LOGNAME="a", HOME="/nowhere", MPLCONFIGDIR="x") == ["a", "/nowhere", "x"]

    def test_a_home_that_cannot_be_written_gets_other_caches(self, tmp_path):
        assert ask("", tmp_path, HOME="/nowhere")[2].startswith("/")


class TestStreams:
    @pytest.fixture
    def image(self, tmp_path):
        meta = {"axes": "YX", "PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.65}
        tifffile.imwrite(tmp_path / "é.ome.tif", picture_of(some_cells()), metadata={**meta, "Channel": {"Name": "µé"}})
        return tmp_path

    @pytest.mark.parametrize("command", ["info é.ome.tif", "settings", "--help", "check ."])
    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "| true", "| head -1"])
    def test_a_closed_or_broken_stream_changes_no_exit_code(self, image, command, closed):
        right = 2 if command == "check ." else 0
        done = shell(f"{COMMAND} {command} {closed}", image)
        assert done.returncode == right
        assert "Traceback" not in done.stderr + done.stdout
        assert "Exception ignored" not in done.stderr

    def test_an_ascii_terminal_shows_the_numbers_of_other_characters(self, image):
        done = shell(f"{COMMAND} info é.ome.tif", image, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
        assert r"\xe9.ome.tif" in done.stdout
        assert r"0.65 x 0.65 \xb5m" in done.stdout

    def test_a_full_disk_is_one_line(self, image):
        done = shell(f"{COMMAND} settings > /dev/full", image)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1

    def test_a_full_disk_of_messages_does_not_end_the_work(self, tmp_path):
        code = "import sys; from livecell_monai.surroundings import complete_streams as c; c(); print('x', file=sys.stderr)"
        done = shell(f'{sys.executable} -c "{code}; print(1)" 2>/dev/full', tmp_path)
        assert (done.returncode, done.stdout) == (0, "1\n")

    def test_a_full_disk_of_a_short_answer_is_one_line(self, tmp_path):
        done = shell(f"{COMMAND} --version > /dev/full", tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
