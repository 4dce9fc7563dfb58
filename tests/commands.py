"""Commands as the documents print them, run with settings behind them that make them small."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from livecell_monai import cli

SMALL = {"epochs": "1", "samples_per_epoch": "4", "batch_size": "2", "patch_size": "[64,64]"}
SMALL_WINDOW = {"window": "[64,64]", "show_progress": "False"}
STUDIES = ("crossval", "learning-curve", "sweep")


def list_commands(text: str) -> list[list[str]]:
    """The words of each command in the bash blocks of a Markdown text."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_livecell(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a `livecell` command in this process; it must succeed."""
    trains = words[1] in ("train", *STUDIES)
    small = SMALL | SMALL_WINDOW if trains else SMALL_WINDOW if words[1] in ("predict", "evaluate") else {}
    given = [option for name, value in small.items() for option in ("--set", f"{name}={value}")]
    if words[1] == "sample":
        given = ["--size", "128", "--test", "2"]
    if trains and not any(word.startswith("filters=") for word in words):
        given += ["--set", "filters=[4,8]"]
    if words[1] == "learning-curve":
        given += ["--draws", "1", "--by", "images"]
    minutes = {index for index, word in enumerate(words) if word == "--minutes"}
    if words[1] in STUDIES:  # epochs, as small, take less than the least of minutes
        words = [word for index, word in enumerate(words) if not {index, index - 1} & minutes]
    else:
        words = ["0.05" if index - 1 in minutes else word for index, word in enumerate(words)]
    monkeypatch.setattr(sys, "argv", [*words, *given])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0, words


def run_monai(words: list[str], folder: Path) -> None:
    given: list[str] = []
    if words[3] == "run":
        settings = SMALL | SMALL_WINDOW | {"filters": "[4,8]"} if words[4] == "training" else SMALL_WINDOW
        given = [option for name, value in settings.items() for option in (f"--{name}", value)]
    done = subprocess.run([sys.executable, *words[1:], *given], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
