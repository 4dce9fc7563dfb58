"""What the masks are worth after so many minutes of training: test IoU on the original grid, by the command line alone.

Run: `python benchmarks/accuracy.py DATA [--only NAME ...]`, where DATA holds `t98g` and `dsb2018`. The same command for all,
no option changed but the minutes and, where it says so, the unlabelled images. It takes as long as the minutes say in sum.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from page import read_rows, write_section

from livecell_monai.data.dataset.findings import check_data

TITLE = "Accuracy"
LIVECELL = (sys.executable, "-m", "livecell_monai.cli")


@dataclass(frozen=True)
class Work:
    """One row: what is trained on, for how long, and what it is to reach."""

    name: str
    folder: str
    minutes: float
    goal: float
    words: str
    unlabelled: bool = False
    most_cells: int = 0


WORKS = [
    Work("t98g", "t98g", 10, 0.72, "t98g: 3 training images, 24 test images"),
    Work("t98g-unlabelled", "t98g", 20, 0.735, "t98g with the unlabelled test images", unlabelled=True),
    Work("t98g-short", "t98g", 0.5, 0.55, "t98g: 3 training images, 24 test images"),
    Work("dsb2018", "dsb2018", 10, 0.91, "dsb2018: 60 training images, 40 test images"),
    Work("dsb2018-three", "dsb2018", 10, 0.87, "dsb2018: the 3 training images with most cells", most_cells=3),
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
    """`iou` of scores.json as the command has written it."""
    asked = ["--output", str(folder), "--set", f"tta_views={views}", "--overwrite"]
    subprocess.run([*LIVECELL, "evaluate", str(model), str(data), *asked], check=True)
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text())["iou"]
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
    reached = []
    for views in (1, 8):
        iou = score(model, data, folder / f"{work.name}-scores", views)
        reached.append(cell_of(iou))
    validation = json.loads((model / "configs" / "metadata.json").read_text())["training"]["validation"]["iou"]
    return [work.words, f"{work.minutes:g}", f"{seconds:.0f} s", f"{validation:.3f}", *reached, f"{work.goal:g}"]


def main() -> None:
    """Run the works and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=[work.name for work in WORKS])
    parser.add_argument("--keep", type=Path, help="folder for the bundles and scores")
    asked = parser.parse_args()
    head = [["task", "minutes", "time", "validation IoU", "test IoU (95 % over images)", "with 8 views", "aim"], ["---"] * 7]
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for work in WORKS:
            if asked.only is None or work.name in asked.only:
                row = run(work, asked.data, folder)
                others = [other for other in read_rows(TITLE) if other[:2] != row[:2]]
                table = "\n".join("| " + " | ".join(cells) + " |" for cells in (*head, *others, row))
                write_section(TITLE, "python benchmarks/accuracy.py $LIVECELL_DATA", table)
                print(table)


if __name__ == "__main__":
    main()
