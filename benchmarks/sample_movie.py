"""From three annotated frames to tracks: sample movies, each segmented by a bundle trained on its own frames, then linked.

Run: `python benchmarks/sample_movie.py [--minutes 5] [--seeds 0 1 2]`. Needs the extra `track`. Each movie is drawn, its
three training frames are learned for so many minutes, and the whole movie is tracked and scored against what was drawn.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from page import write_section

AIMS = {"TRA": 0.95, "division_F1": 0.8}  # at least
TOLERANCE = 0.1  # of the doubling time
HEAD = ("seed", "TRA", "DET", "SEG", "LNK", "division_F1", "divisions found, false", "doubling time of tracks", "of labels")
_DOUBLING = re.compile(r"doubling time ([\d.]+ \w+)")


def livecell(*words: object) -> str:
    """What a command prints; it must succeed."""
    command = [sys.executable, "-m", "livecell_monai.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"livecell {words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def measure(folder: Path, seed: int, minutes: float, extra: list[str]) -> list[str]:
    """One row: a movie of this seed, trained for so many minutes."""
    dish, model, tracks, scores = (folder / f"{name}_{seed}" for name in ("dish", "model", "tracks", "scores.json"))
    print(livecell("sample", dish, "--movie", "--seed", seed, *extra).strip(), flush=True)
    livecell("train", dish, "--minutes", minutes, "--output", model, "--set", "track=false", "--set", "show_progress=false")
    said = livecell("track", model, dish / "movie.ome.tif", "--output", tracks, "--no-mlflow")
    print(said.strip(), flush=True)
    store = f"sqlite:///{folder / 'mlflow.db'}"
    livecell("evaluate-tracks", tracks / "movie", dish / "truth", "--output", scores, "--uri", store)
    (found,) = json.loads(scores.read_text(encoding="utf-8"))["movies"].values()
    with open(dish / "truth" / "movie.csv", newline="", encoding="utf-8") as stream:
        (truth,) = csv.DictReader(stream)
    doubling = _DOUBLING.search(said)
    shown = ["" if found[name] is None else f"{found[name]:.3f}" for name in HEAD[1:6]]
    divisions = f"{found['divisions_found']:.0f} of {found['divisions']:.0f}, {found['divisions_false']:.0f}"
    return [str(seed), *shown, divisions, doubling[1] if doubling else "none", f"{truth['doubling_time_of_labels_h']} h"]


def main() -> None:
    """Measure, print and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--size", type=int, default=512)
    given = parser.parse_args()
    lines = ["| " + " | ".join(HEAD) + " |", "| " + " | ".join(["---"] * len(HEAD)) + " |"]
    with tempfile.TemporaryDirectory() as name:
        for seed in given.seeds:
            extra = ["--frames", str(given.frames), "--size", str(given.size)]
            lines.append("| " + " | ".join(measure(Path(name), seed, given.minutes, extra)) + " |")
            print(lines[-1], flush=True)
    aims = ", ".join(f"{name} {value}" for name, value in AIMS.items())
    lines += ["", f"Aims: {aims} at least, doubling time within {100 * TOLERANCE:.0f} % of that of the labels."]
    write_section("Sample movies", f"python benchmarks/sample_movie.py --minutes {given.minutes:g}", "\n".join(lines))


if __name__ == "__main__":
    main()
