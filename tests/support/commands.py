"""Calls of the command line, and what they must say."""

import contextlib
import io
import json
import sys
import warnings
from dataclasses import dataclass

import pytest

from livecell_monai import cli
from tests.support.small_training import SMALL as SMALL_TRAINING


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
