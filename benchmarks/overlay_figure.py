"""Draws the README's picture, `docs/overlay.png`, from what `make demo` has left.

Run: `make demo`, then `python benchmarks/overlay_figure.py`. Shown are the test images with the median and the worst score.
"""

import csv
from pathlib import Path

from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.report.gallery import write_gallery

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "demo"


def main() -> None:
    """Draw the picture."""
    with open(DEMO / "scores" / "scores.csv", newline="", encoding="utf-8") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: float(row["iou"]))
    panels = []
    for what, row in (("median", rows[len(rows) // 2]), ("worst", rows[0])):
        name = row["image"]
        image = read_image(DEMO / "cells" / "test" / "images" / f"{name}.tif").pixels
        truth = read_label(DEMO / "cells" / "test" / "labels" / f"{name}.tif") > 0
        mask = read_label(DEMO / "masks" / f"{name}.tif") > 0
        panels.append((f"{name}, {what} of {len(rows)}: IoU {float(row['iou']):.2f}", image, mask, truth, None))
    target = ROOT / "docs" / "overlay.png"
    target.parent.mkdir(exist_ok=True)
    write_gallery(target, panels)
    print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
