"""Work in a process of its own, beside it a clock and a scale: what hangs, swells or crashes is ended and told."""

import json
import os
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

SECONDS = 10.0  #: of processor time that one input may take, and six times as many of the clock: others use this machine too
BYTES = 2 * 10**9  #: of memory that the process may take
_TICK = 0.05  # s between two looks
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

Work = Callable[[int], Sequence[str]]


def watch(work: Work, numbers: Sequence[int], until: float, seconds: float = SECONDS) -> Iterator[tuple[int, list[str]]]:
    """Do a piece of work for each number, in a forked process; yields the number and what was wrong with it.

    Args:
        work: gives what is wrong, nothing where all is well. An exception is wrong too.
        numbers: name the inputs.
        until: `time.monotonic()` after which nothing new is begun.
        seconds: of processor time for each.
    """
    left = list(numbers)
    while left and time.monotonic() < until:
        for number, wrong in _in_one_process(work, left, until, seconds):
            left = left[left.index(number) + 1 :]
            yield number, wrong


def _in_one_process(work: Work, numbers: list[int], until: float, seconds: float) -> Iterator[tuple[int, list[str]]]:
    """As many as one process survives; the last one yielded is the one that it did not."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that a library has started: none is waited for
        process = os.fork()
    if process == 0:
        os.close(ours)
        _work_through(work, numbers, until, theirs)
    os.close(theirs)
    under_way: int | None = None
    try:
        for number, wrong in _listen(ours, process, seconds):
            under_way = number if wrong is None else None
            if wrong is not None:
                yield number, wrong
    finally:
        os.close(ours)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    if under_way is not None:
        yield under_way, [f"the process ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "it ended"]


def _listen(pipe: int, process: int, seconds: float) -> Iterator[tuple[int, list[str] | None]]:
    """What the process tells: (number, None) as it begins with an input, (number, wrong) as it ends, by our hand perhaps."""
    buffer, number = b"", -1
    began, used = time.monotonic(), 0.0
    while True:
        ready, _, _ = select.select([pipe], [], [], _TICK)
        if ready:
            piece = os.read(pipe, 65_536)
            if not piece:
                return
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                number, wrong = json.loads(line)
                began, used = time.monotonic(), _measure(process)[0]
                yield number, wrong
            continue
        processor, memory = _measure(process)
        if memory > BYTES:
            yield number, [f"{memory / 1e9:.1f} GB of memory"]
            return
        if processor - used > seconds or time.monotonic() - began > 6 * seconds:
            yield (
                number,
                [f"not done after {processor - used:.0f} s of the processor, {time.monotonic() - began:.0f} s of the clock"],
            )
            return


def _measure(process: int) -> tuple[float, int]:
    """Processor time in seconds and memory in bytes that a process has used."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0, 0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, int(fields[21]) * _PAGE


def _work_through(work: Work, numbers: list[int], until: float, pipe: int) -> None:
    """The forked process, which never returns."""

    def tell(*words: Any) -> None:
        os.write(pipe, json.dumps(words).encode() + b"\n")

    try:
        for number in numbers:
            if time.monotonic() > until:
                break
            tell(number, None)
            _reset_peak()
            try:
                wrong = list(work(number))
            except BaseException as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                wrong = [f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {str(error)[:200]}"]
            peak = _peak()
            if peak > BYTES:
                wrong.append(f"{peak / 1e9:.1f} GB of memory at the peak")
            tell(number, [line[:600] for line in wrong])
    finally:
        os._exit(0)


def _reset_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")


def _peak() -> int:
    """The most memory since the last reset, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
