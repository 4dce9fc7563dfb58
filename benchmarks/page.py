"""`docs/benchmarks.md`: one section per benchmark, replaced when the benchmark runs, with the machine that it ran on."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from livecell_monai.heap import keep_freed_memory

keep_freed_memory()  # as the command does it first of all: what is measured in here is what runs there

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

The command above each table produced it, on the machine below it, unless the section says otherwise. `make benchmark` runs
most of the commands. `LIVECELL_DATA` names the folder of the real data.
"""


def write_section(title: str, command: str, text: str) -> None:
    """Put a section into the page in place of the one of the same title, or at its end.

    Args:
        title: heading of the section.
        command: what repeats it.
        text: Markdown.
    """
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else HEAD
    head, *sections = page.split("\n## ")
    found = {section.split("\n", 1)[0]: section.rstrip() for section in sections}
    found[title] = f"{title}\n\n`{command}`\n\n{text.strip()}\n\n{describe_machine()}"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n## ".join([head.rstrip(), *found.values()]) + "\n", encoding="utf-8")


def read_rows(title: str) -> list[list[str]]:
    """Cells of the rows of a section's table, without its head; none where there is no such section."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    section = next((part for part in page.split("\n## ") if part.split("\n", 1)[0] == title), "")
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return rows[2:]


CELL_SCORES = ("ap50", "pq", "seg", "count_error")  #: metrics of cells in the tables


def format_cell_scores(summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The mean of each of `CELL_SCORES` over the scores of one or more evaluations; nothing if one lacks it.

    Args:
        summaries: as `scores.json` has them; without scores of cells if the labels do not tell cells apart.
    """
    return [
        f"{statistics.mean(one[name]['mean'] for one in summaries):.3f}" if all(name in one for one in summaries) else ""
        for name in CELL_SCORES
    ]


def describe_machine() -> str:
    """One line: date, processor, threads, what a matrix product reaches, versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("livecell-monai", "torch", "monai"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    day = datetime.now(UTC).date().isoformat()
    products = f"{measure_product():.0f} GFLOP/s in a bf16 matrix product, {measure_product(torch.float32):.0f} in float32"
    return f"*{day}; {_processor()}, {cores} cores, {products}; {versions}.*"


def measure_product(dtype: torch.dtype = torch.bfloat16, seconds: float = 1.0) -> float:
    """GFLOP/s of large matrix products; of small ones if these are slow already, as bf16 is on a processor without it."""
    for size in (256, 2048):
        left, right = torch.randn(2, size, size, dtype=dtype)
        left @ right
        start, rounds = time.perf_counter(), 0
        while (took := time.perf_counter() - start) < seconds:
            left @ right
            rounds += 1
        speed = rounds * 2 * size**3 / took / 1e9
        if speed < 10:
            break
    return speed


def measure_memory(*command: str) -> float:
    """MB of resident memory that a command takes at most; it must succeed.

    A process counts what its parent held when it was forked: a small Python stands between.
    """
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _processor() -> str:
    if platform.system() == "Linux":
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout.splitlines()
        found = [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model name")]
        if found:
            return found[0]
    return platform.processor() or platform.machine()
