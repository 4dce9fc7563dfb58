"""A disk that fills up, a folder that goes away, memory that does not suffice, Ctrl-C: one line each, and nothing lost.

Full disks are real ones of a few megabytes where the system lets one be made, and else a limit on the size of files.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from fuzz.tried import Tried
from livecell_monai.errors import find_user_error
from soak.commands import COMMANDS, Studio, build_studio, call
from soak.disk import Files, find_torn, leaving, limiting_files, read_files, small_disk
from soak.interrupting import interrupt
from soak.shortage import predict_cramped
from soak.writers import WRITERS

MEGABYTES = 8  # of the small disk
ROOM = "cannot be written", "cannot be created", "make room"
Try = Callable[[random.Random], list[str]]


def run(seconds: float, seed: int) -> list[Tried]:
    """Try each kind of fault for its part of the time, at least once."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as root, small_disk(MEGABYTES) as disk:
        until = time.monotonic() + seconds
        studio = build_studio(Path(root))
        where = "a full disk" if disk else "a limit on the size of files (no small disk can be made here)"
        kinds: list[tuple[str, float, Iterator[Try]]] = [
            (f"{where} at a random byte of one of {len(WRITERS)} writers", 0.2, _writers(Path(root), disk)),
            (f"{where} during one of {len(COMMANDS)} commands", 0.35, _commands(studio, disk)),
            ("out of memory in predict, at a random limit", 0.5, repeat(partial(predict_cramped, studio))),
            ("Ctrl-C at a random moment of a command", 1.0, repeat(partial(interrupt, studio))),
        ]
        return [_repeat(what, until, share, tries, rng) for what, share, tries in kinds]


def _repeat(what: str, until: float, share: float, tries: Iterator[Try], rng: random.Random) -> Tried:
    """Try over and over for a share of the time that is left."""
    end = time.monotonic() + share * (until - time.monotonic())
    lost: list[str] = []
    times, longest = 0, 0.0
    while times == 0 or time.monotonic() + longest < end:
        started = time.monotonic()
        lost += next(tries)(rng)
        times, longest = times + 1, max(longest, time.monotonic() - started)
    return Tried(what, times, tuple(lost))


def _writers(root: Path, disk: Path | None) -> Iterator[Try]:
    """Each writer in turn, for ever."""
    while True:
        for name in WRITERS:
            yield partial(_try_at_random, try_writer, name, root / "writers", disk)


def _try_at_random(
    attempt: Callable[..., list[str]], name: str, where: Any, disk: Path | None, rng: random.Random
) -> list[str]:
    return attempt(name, where, disk, rng.random())


def try_writer(name: str, root: Path, disk: Path | None, part: float) -> list[str]:
    """Write over old files when there is room for a part of the new ones; what was lost by it.

    Args:
        name: of the writer.
        root: folder with room.
        disk: a small one; None for a limit on the size of files.
        part: share of the bytes that there is room for.
    """
    write, place = WRITERS[name], disk or root
    with tempfile.TemporaryDirectory(dir=_made(root)) as spare, tempfile.TemporaryDirectory(dir=place) as folder:
        fresh = Path(spare) / "fresh"
        fresh.mkdir()
        write(fresh, 2)
        old = Path(folder)
        write(old, 1)
        before, sizes = read_files(old), [len(data) for data in read_files(fresh).values()]
        limit = leaving(disk, int(part * sum(sizes))) if disk else limiting_files(int(part * max(sizes)))
        try:
            with limit:
                write(old, 2)
            return [f"{name}, room for {part:.3f}: {line}" for line in find_torn(old)]
        except BaseException as error:
            known = find_user_error(error)
            told = repr(error) if known is None else f"error: {known}"
        return [f"{name}, room for {part:.3f}: {line}" for line in judge(told, old, before)]


def judge(told: str, folder: Path, before: Files) -> list[str]:
    """What was lost where writing was refused: a clear line, a file of before, or a file that is whole.

    Args:
        told: all that was said.
        folder: what was written to.
        before: what was in it.
    """
    lost = []
    told = "".join(
        line for line in told.splitlines(keepends=True) if not line.startswith("note: ")
    )  # of the cost of a study, before its work
    if not told.startswith("error: ") or "\n" in told.strip() or not any(words in told for words in ROOM):
        lost.append(f"no clear line but {told[-300:]!r}")
    after = read_files(folder)
    lost += [f"{name} is gone" for name in before if name not in after]
    return lost + find_torn(folder)


def _commands(studio: Studio, disk: Path | None) -> Iterator[Try]:
    while True:
        for name in COMMANDS:
            yield partial(_try_at_random, try_command, name, studio, disk)


def try_command(name: str, studio: Studio, disk: Path | None, part: float) -> list[str]:
    """Run a command over what it has left before, when there is room for a part of that; what was lost by it."""
    command = COMMANDS[name]
    with tempfile.TemporaryDirectory(dir=disk or studio.root) as place:
        folder = Path(place)
        first = call(*command(studio, folder))
        if first.code != 0:
            return [f"{name} fails with all the room: {first.err[-300:]}"]
        before = read_files(folder)
        sizes = [len(data) for data in before.values()]
        limit = leaving(disk, int(part * sum(sizes))) if disk else limiting_files(int(part * max(sizes)))
        target = folder if command.overwrites else folder / "again"
        target.mkdir(exist_ok=True)
        with limit:
            found = call(*command(studio, target, "--overwrite" if command.overwrites else None))
        lost = find_torn(folder) if found.code == 0 else judge(found.err, folder, before)
        if found.code not in (0, 2):
            lost.append(f"exit code {found.code}")
        if found.code == 2 and command.resumes:
            again = call(*command(studio, target, "--resume"))
            if again.code != 0 or not _alike(read_files(target), before):
                lost.append(f"--resume gives something else: {again.err[-300:]}")
        return [f"{name}, room for {part:.3f}: {line}" for line in lost]


def _alike(files: Files, others: Files) -> bool:
    """Whether two runs have left the same masks."""
    ours, theirs = ({name: data for name, data in each.items() if name.endswith(".tif")} for each in (files, others))
    return ours.keys() == theirs.keys() and all(ours[name] == theirs[name] for name in ours if ".ome." not in name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
