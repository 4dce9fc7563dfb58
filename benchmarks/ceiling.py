"""What the same network reaches with many annotated images: half of the test images to train on, the other half to score.

Run: `python benchmarks/ceiling.py DATA/t98g --minutes 10`, which takes twice the minutes. A limit to compare with, made from
the labels of the test images: nothing is ever chosen by it.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from ablation import write_fold
from accuracy import cell_of, score, train
from page import CELL_SCORES, format_cell_scores, write_section

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.metrics import label_of

TITLE = "Ceiling"


def main() -> None:
    """Train twice and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    samples = list_samples(asked.data, "test")
    rows, means, of_cells = [], [], []
    with tempfile.TemporaryDirectory() as name:
        for number, half in enumerate(("even", "odd"), start=1):  # trained on; the others are left out
            left_out = list(range(number % 2, len(samples), 2))
            datalist = write_fold(samples, left_out, Path(name) / f"{half}.json")
            model = train(datalist, Path(name) / f"{datalist.stem}-model", asked.minutes)
            found = [score(model, datalist, Path(name) / "scores", views) for views in (1, 8)]
            means.append([one["iou"]["mean"] for one in found])
            of_cells.append(found[0])
            trained_on = f"{len(samples) - len(left_out)} of the {len(samples)} test images"
            rows.append([trained_on, *(cell_of(one["iou"]) for one in found), *format_cell_scores(found[:1])])
    both = [f"{statistics.mean(pair):.3f}" for pair in zip(*means, strict=True)]
    head = ["trained on", "IoU on the other images (95 % over images)", "with 8 views", *map(label_of, CELL_SCORES)]
    table = [head, ["---"] * len(head), *rows, ["both", *both, *format_cell_scores(of_cells)]]
    text = "\n".join(f"| {' | '.join(row)} |" for row in table)
    print(text)
    command = f"python benchmarks/ceiling.py $LIVECELL_DATA/{asked.data.name} --minutes {asked.minutes:g}"
    write_section(f"{TITLE}: {asked.data.name}", command, text)


if __name__ == "__main__":
    main()
