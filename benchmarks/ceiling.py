"""What the same network reaches with many annotated images: half of the test images to train on, the other half to score.

Run: `python benchmarks/ceiling.py DATA/t98g --minutes 10`, which takes twice the minutes. A limit to compare with, made from
the labels of the test images: nothing is ever chosen by it.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from accuracy import cell_of, score, train
from page import write_section

from livecell_monai.data.folder import list_samples
from livecell_monai.sample import Sample

TITLE = "Ceiling"


def write_halves(samples: list[Sample], folder: Path) -> list[Path]:
    """Two datalists: every second image for training and the others for the test, and the other way round."""
    pairs = [{"image": str(one.image.resolve()), "label": str(one.label and one.label.resolve())} for one in samples]
    halves = pairs[::2], pairs[1::2]
    found = []
    for name, training, test in (("even", *halves), ("odd", *halves[::-1])):
        found.append(folder / f"{name}.json")
        found[-1].write_text(json.dumps({"training": training, "test": test}))
    return found


def main() -> None:
    """Train twice and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    samples = list_samples(asked.data, "test")
    rows, means = [], []
    with tempfile.TemporaryDirectory() as name:
        for datalist in write_halves(samples, Path(name)):
            model = train(datalist, Path(name) / f"{datalist.stem}-model", asked.minutes)
            found = [score(model, datalist, Path(name) / "scores", views) for views in (1, 8)]
            means.append([iou["mean"] for iou in found])
            trained_on = len(json.loads(datalist.read_text())["training"])
            rows.append(f"| {trained_on} of the {len(samples)} test images | {' | '.join(map(cell_of, found))} |")
    both = [f"{statistics.mean(pair):.3f}" for pair in zip(*means, strict=True)]
    text = ["| trained on | IoU of the others (95 % over images) | with 8 views |", "| --- | --- | --- |", *rows]
    text.append(f"| both | {' | '.join(both)} |")
    print("\n".join(text))
    command = f"python benchmarks/ceiling.py $LIVECELL_DATA/{asked.data.name} --minutes {asked.minutes:g}"
    write_section(f"{TITLE}: {asked.data.name}", command, "\n".join(text))


if __name__ == "__main__":
    main()
