"""New Python processes without the seconds that their imports take: forked from one that has done these, and nothing else.

Each is a process of its own with its own modules, folder, environment and output: it may be killed, and what it changes is
gone with it. Where it matters what is imported, or when, a test starts Python itself.
"""

import atexit
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
IMPORTED = (
    "monai.bundle.scripts",
    "livecell_monai.tasks",
    "livecell_monai.distributed.dask",
    "livecell_monai.experiments.crossval",
    "livecell_monai.experiments.sweep",
    "livecell_monai.report.page",
    "livecell_monai.transforms",
)


@dataclass(frozen=True)
class Started:
    """A Python that runs; its output goes to files, so that it never waits for a reader."""

    process: FORKS.Process
    place: Path

    @property
    def out(self) -> str:
        return (self.place / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.place / "err").read_text(encoding="utf-8")

    def poll(self) -> int | None:
        """The exit code, as `subprocess` has it; None while it runs."""
        return self.process.exitcode

    def wait(self, timeout: float = 120) -> int:
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"still there after {timeout} s: {self.err[-2000:]}"
        return self.process.exitcode

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)


def start_python(
    *words: object, cwd: Path | None = None, environment: Mapping[str, str] | None = None, paths: Sequence[Path] = ()
) -> Started:
    """`python -m MODULE ...` or `python -c CODE ...`, with these folders ahead on the import path."""
    prepare_forks()
    place = Path(tempfile.mkdtemp(dir=_outputs()))
    for name in ("out", "err"):
        (place / name).touch()
    given = ([str(word) for word in words], str(cwd or Path.cwd()), dict(environment or os.environ), [*map(str, paths)])
    process = FORKS.Process(target=_run, args=(*given, str(place)))
    process.start()
    return Started(process, place)


def run_python(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """The same to its end."""
    started = start_python(*words, **options)
    return subprocess.CompletedProcess(words, started.wait(), started.out, started.err)


def prepare_forks() -> None:
    """Say what is to be imported; of no effect once the first process has been forked."""
    FORKS.set_forkserver_preload(list(IMPORTED))


def start_forked(function: Any, arguments: tuple[Any, ...], count: int, *, join: bool) -> Any:
    """`torch.multiprocessing.start_processes`, forked, in the environment of the caller."""
    from torch.multiprocessing import start_processes

    prepare_forks()
    given = (dict(os.environ), function, *arguments)
    return start_processes(_enter, given, count, join=join, start_method="forkserver")


def _enter(rank: int, environment: dict[str, str], function: Any, *arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    function(rank, *arguments)


@cache
def _outputs() -> str:
    """A folder that is gone when these tests are done."""
    folder = tempfile.mkdtemp(prefix="livecell-fresh-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _run(words: list[str], cwd: str, environment: dict[str, str], paths: list[str], place: str) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{place}/{name}", os.O_WRONLY), number)
    # a Python in the background would have it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = [*paths, ""]
    option, what, *rest = words
    sys.argv = [option, *rest]
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()
