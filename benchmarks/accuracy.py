"""What masks and cells are worth after so many minutes of training: scores on the original grid, by the command line alone.

Run: `python benchmarks/accuracy.py DATA [--only NAME ...]`, where DATA holds `t98g` and `dsb2018`. The same command for all,
no option changed but the minutes and, where it says so, the unlabelled images. It takes as long as the minutes say in sum.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from page import CELL_SCORES, format_cell_scores, read_rows, write_section

from livecell_monai.data.dataset.findings import check_data
from livecell_monai.metrics import label_of

TITLE = "Accuracy"
HEAD = ["task", "minutes", "time", "validation IoU", "test IoU (95 % over images)", "with 8 views", "aim"]
HEAD += [*map(label_of, CELL_SCORES), "aim of AP50"]
LIVECELL = (sys.executable, "-m", "livecell_monai.cli")


@dataclass(frozen=True)
class Work:
    """One row: what is trained on, for how long, and what it is to reach."""

    name: str
    folder: str
    minutes: float
    goal: float  #: IoU
    words: str
    unlabelled: bool = False
    most_cells: int = 0
    ap50_goal: float | None = None


WORKS = [
    Work("t98g", "t98g", 10, 0.72, "t98g: 3 training images, 24 test images", ap50_goal=0.65),
    Work("t98g-unlabelled", "t98g", 20, 0.735, "t98g with the unlabelled test images", unlabelled=True),
    Work("t98g-short", "t98g", 0.5, 0.55, "t98g: 3 training images, 24 test images"),
    Work("dsb2018", "dsb2018", 10, 0.91, "dsb2018: 60 training images, 40 test images", ap50_goal=0.85),
    Work(
        "dsb2018-three", "dsb2018", 10, 0.87, "dsb2018: the 3 training images with most cells", most_cells=3, ap50_goal=0.78
    ),
]


def choose_data(work: Work, root: Path, folder: Path) -> Path:
    """The data folder, or a datalist of the training images with most cells."""
    data = root / work.folder
    if not work.most_cells:
        return data
    found = [finding for finding in check_data(data) if finding.role == "train"]
    names = [finding.name for finding in sorted(found, key=lambda finding: -(finding.cells or 0))[: work.most_cells]]

    def pairs(role: str, keep: set[str] | None = None) -> list[dict[str, str]]:
        images = sorted((data / role / "images").iterdir())
        return [
            {"image": str(image.resolve()), "label": str((data / role / "labels" / image.name).resolve())}
            for image in images
            if keep is None or image.stem in keep
        ]

    datalist = folder / f"{work.name}.json"
    datalist.write_text(json.dumps({"training": pairs("train", set(names)), "test": pairs("test")}))
    return datalist


def train(data: Path, model: Path, minutes: float, *more: str) -> Path:
    """The bundle that the command has trained."""
    asked = ["--output", str(model), "--minutes", str(minutes), "--set", "track=false", *more]
    subprocess.run([*LIVECELL, "train", str(data), *asked], check=True)
    return model


def score(model: Path, data: Path, folder: Path, views: int) -> dict[str, Any]:
    """The scores of scores.json as the command has written them."""
    asked = ["--output", str(folder), "--set", f"tta_views={views}", "--overwrite"]
    subprocess.run([*LIVECELL, "evaluate", str(model), str(data), *asked], check=True)
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text())
    return found


def cell_of(iou: dict[str, Any]) -> str:
    """Mean and interval, as the tables have them."""
    return f"{iou['mean']:.3f} ({iou['interval_95'][0]:.3f} .. {iou['interval_95'][1]:.3f})"


def run(work: Work, root: Path, folder: Path) -> list[str]:
    """Train, score, and give the row of the table."""
    data, start = choose_data(work, root, folder), time.perf_counter()
    unlabelled = ["--unlabelled", str(root / work.folder / "test" / "images")] if work.unlabelled else []
    model = train(data, folder / work.name, work.minutes, *unlabelled)
    seconds = time.perf_counter() - start
    reached = [score(model, data, folder / f"{work.name}-scores", views) for views in (1, 8)]
    validation = json.loads((model / "configs" / "metadata.json").read_text())["training"]["validation"]["iou"]
    return row_of(work, seconds, validation, reached)


def row_of(work: Work, seconds: float, validation: float, reached: Sequence[dict[str, Any]]) -> list[str]:
    """The row of the table; the scores of cells are those without views."""
    iou = [f"{seconds:.0f} s", f"{validation:.3f}", *(cell_of(one["iou"]) for one in reached), f"{work.goal:g}"]
    ap50_goal = "" if work.ap50_goal is None else f"{work.ap50_goal:g}"
    return [work.words, f"{work.minutes:g}", *iou, *format_cell_scores(reached[:1]), ap50_goal]


def table_of(row: list[str], others: Sequence[list[str]]) -> str:
    """The table with a new row in place of an earlier one of the same task; other rows may lack the last cells."""
    kept = [other + [""] * (len(HEAD) - len(other)) for other in others if other[:2] != row[:2]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *kept, row))


def main() -> None:
    """Run the works and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=[work.name for work in WORKS])
    parser.add_argument("--keep", type=Path, help="folder for the bundles and scores")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for work in WORKS:
            if asked.only is None or work.name in asked.only:
                row = run(work, asked.data, folder)
                table = table_of(row, read_rows(TITLE))
                write_section(TITLE, "python benchmarks/accuracy.py $LIVECELL_DATA", table)
                print(table)


if __name__ == "__main__":
    main()
