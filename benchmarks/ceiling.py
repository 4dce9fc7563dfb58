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
from page import write_section

from livecell_monai.data.dataset.folder import list_samples

TITLE = "Ceiling"


def main() -> None:
    """Train twice and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    samples = list_samples(asked.data, "test")
    rows, means = [], []
    with tempfile.TemporaryDirectory() as name:
        for number, half in enumerate(("even", "odd"), start=1):  # trained on; the others are left out
            left_out = list(range(number % 2, len(samples), 2))
            datalist = write_fold(samples, left_out, Path(name) / f"{half}.json")
            model = train(datalist, Path(name) / f"{datalist.stem}-model", asked.minutes)
            found = [score(model, datalist, Path(name) / "scores", views) for views in (1, 8)]
            means.append([iou["mean"] for iou in found])
            trained_on = len(samples) - len(left_out)
            rows.append(f"| {trained_on} of the {len(samples)} test images | {' | '.join(map(cell_of, found))} |")
    both = [f"{statistics.mean(pair):.3f}" for pair in zip(*means, strict=True)]
    text = ["| trained on | IoU on the other images (95 % over images) | with 8 views |", "| --- | --- | --- |", *rows]
    text.append(f"| both | {' | '.join(both)} |")
    print("\n".join(text))
    command = f"python benchmarks/ceiling.py $LIVECELL_DATA/{asked.data.name} --minutes {asked.minutes:g}"
    write_section(f"{TITLE}: {asked.data.name}", command, "\n".join(text))


if __name__ == "__main__":
    main()
