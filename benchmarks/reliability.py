"""Failures provoked on purpose: kills, faults, broken files, hostile bundles; what was lost goes to docs/reliability.md.

Run: `python benchmarks/reliability.py` (`make soak`), bounded to 20 minutes on two cores; `--only resume fuzzing` takes
some of the kinds, `--minutes 5` less time. A short form of each is among the tests. The exit code is 1 if anything
was lost.
"""

import argparse
import importlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from page import describe_machine

sys.path.insert(0, str(Path(__file__).parents[1]))  # for fuzz/
from fuzz.tried import Tried

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
SHARES = {"resume": 0.48, "tracking": 0.15, "faults": 0.1, "fuzzing": 0.15, "hostile": 0.12}  #: of the time, by kind
MODULES = {"fuzzing": "fuzz.driver"}  #: by kind; others are modules of soak
TABLE = ("<!-- table -->", "<!-- end of table -->")
HEADER = ("kind", "what was tried", "times", "what was lost", "seconds")


def write_table(rows: list[list[str]], kinds: list[str]) -> None:
    """Replace the rows of some kinds in the page's table."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(TABLE[0])
    old, after = rest.split(TABLE[1])
    kept = [line.strip("| ").split(" | ") for line in old.splitlines() if line.startswith("| ")][2:]
    rows = [row for row in kept if row[0] not in kinds] + rows
    lines = [f"| {' | '.join(row)} |" for row in (list(HEADER), ["---"] * len(HEADER), *rows)]
    table = "\n".join([TABLE[0], *lines, "", describe_machine(), TABLE[1]])
    PAGE.write_text(before + table + after, encoding="utf-8")


def try_kind(kind: str, seconds: float, seed: int) -> list[Tried]:
    """The results of one kind of failure."""
    tried: list[Tried] = importlib.import_module(MODULES.get(kind, f"soak.{kind}")).run(seconds, seed)
    return tried


def main() -> None:
    """Try each kind for its share of the time; print and write the table."""
    parser = argparse.ArgumentParser(description="Provoke failures and record what is lost.")
    parser.add_argument("--only", nargs="+", choices=tuple(SHARES), default=tuple(SHARES))
    parser.add_argument("--minutes", type=float, default=18.0, help="time for all kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the table to docs/reliability.md")
    arguments = parser.parse_args()
    total = sum(SHARES[kind] for kind in arguments.only)
    rows, lost = [], 0
    for kind in arguments.only:
        seconds = 60 * arguments.minutes * SHARES[kind] / total
        started = time.monotonic()
        with ProcessPoolExecutor(
            1, mp_context=get_context("spawn")
        ) as pool:  # torch's threads of one kind are not the next one's
            tried = pool.submit(try_kind, kind, seconds, arguments.seed).result()
        took = f"{time.monotonic() - started:.0f}"
        for one in tried:
            lost += len(one.lost)
            rows.append([kind, *one.cells(), took])
            print(" | ".join(rows[-1]), flush=True)
            for line in one.lost:
                print(f"  lost: {line}", flush=True)
    if arguments.write:
        write_table(rows, list(arguments.only))
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
