"""Calls of the command line, and commands as the documents print them with settings behind them that make them small."""

import contextlib
import io
import json
import re
import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from livecell_monai import cli
from tests.support.fresh import run_python
from tests.support.small_training import SMALL as SMALL_TRAINING

SMALL = {"epochs": "1", "samples_per_epoch": "4", "batch_size": "2", "patch_size": "[64,64]"}
SMALL_WINDOW = {"window": "[64,64]", "show_progress": "False"}
STUDIES = ("crossval", "learning-curve", "sweep")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def livecell(*arguments: object) -> Outcome:
    """One call of the command line in this process: starting one anew costs seconds."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["livecell", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def small(**settings: object) -> list[str]:
    """The options of a training of seconds."""
    chosen = {**SMALL_TRAINING, **settings}
    return [part for name, value in chosen.items() for part in ("--set", f"{name}={json.dumps(value)}")]


def refused(outcome: Outcome, *words: str) -> None:
    """Exit code 2 and one line on stderr that has these words."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert len(line) < 500


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
    done = run_python(*words[1:], *given, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
