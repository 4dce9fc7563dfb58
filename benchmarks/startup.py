"""How long `livecell --help` takes, as a ratio to `python -c pass`, side by side in one run.

Run: `python benchmarks/startup.py`. The two commands take turns, so that a busy machine slows both; the ratio is that of
the medians.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15


def seconds_of(command: list[str]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print both times and their ratio."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "livecell --help": [str(Path(sys.executable).with_name("livecell")), "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            times[name].append(seconds_of(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name}: {median * 1000:.0f} ms, median of {ROUNDS}")
    print(f"ratio: {medians['livecell --help'] / medians['python -c pass']:.1f}")


if __name__ == "__main__":
    main()
