"""Ctrl-C in a command that runs by itself."""

import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from soak.commands import COMMANDS, Studio
from soak.disk import find_torn, read_files

MOST_S = 5.0  # from the key to the end
AT_WORK = ("predict", "predict a movie", "predict a mosaic", "evaluate", "report", "crossval")
_START = "import sys; from livecell_monai import cli; sys.argv[0] = 'livecell'; cli.main()"


def interrupt(studio: Studio, rng: random.Random) -> list[str]:
    """Start a command, press Ctrl-C at a random moment of it; what was lost by it."""
    name, moment = rng.choice(AT_WORK), rng.uniform(1.0, 8.0)
    with tempfile.TemporaryDirectory(dir=studio.root) as place:
        folder = Path(place)
        # what runs in the background has the key ignored, and so would its children
        heeds = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        words = [sys.executable, "-c", _START, *COMMANDS[name](studio, folder)]
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, preexec_fn=heeds
        )
        try:
            process.wait(moment)
            return []  # it was done before
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        pressed = time.monotonic()
        try:
            _, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            return [f"{name}: had not ended a minute after Ctrl-C at {moment:.2f} s"]
        lost = judge(process.returncode, err, time.monotonic() - pressed, folder)
        return [f"{name}, Ctrl-C at {moment:.2f} s: {line}" for line in lost]


def judge(code: int, err: str, took: float, folder: Path) -> list[str]:
    """What is wrong with how a command ended on Ctrl-C."""
    if code == 0:  # it came with the last line
        return find_torn(folder)
    lost = []
    if code != 130 or err.splitlines()[-1:] != ["interrupted"] or "Traceback" in err:
        lost.append(f"exit code {code}, {err[-300:]!r}")
    if took > MOST_S:
        lost.append(f"took {took:.1f} s to end")
    if "summary.csv" in read_files(folder):
        lost.append("a table of some of the images")
    return lost + find_torn(folder)
