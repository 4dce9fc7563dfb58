"""Draws the README's picture, `docs/real_cells.png`: real cells that the shipped start predicts without any training.

Run: `python benchmarks/real_cells_figure.py IMAGE LABEL`. The picture in the README is of the sample image of the Python
package StarDist 0.9.2 (BSD-3-Clause): `stardist/data/images/img2d.tif`, with the ids of the nuclei in `mask2d.tif`. On the
left is the image, on the right what became of each annotated nucleus. The scores of the image are printed.
"""

import argparse
import io
from base64 import b64decode
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livecell_monai.api import Segmenter
from livecell_monai.data.readers.kinds import read_label, read_plane
from livecell_monai.metrics.cells import average_precision, count_error, match_cells, panoptic_quality
from livecell_monai.report.fates import FATE_COLOURS, draw_fates
from livecell_monai.report.gallery import GAP_PX, draw_legend

TARGET = Path(__file__).resolve().parents[1] / "docs" / "real_cells.png"
MOST_BYTES = 1_000_000  # of a picture: no loss of detail
SIDE_PX = 512


def decode(uri: str) -> Image.Image:
    """The picture in a data URI."""
    return Image.open(io.BytesIO(b64decode(uri.partition(",")[2]))).convert("RGBA")


def draw(image: Path, label: Path) -> tuple[NDArray[np.uint8], str]:
    """The picture (Y, X, 3) of an image and the fates of its cells, and its scores in words."""
    grey, truth = read_plane(image).pixels, read_label(label)
    mask = Segmenter("start", images=[image])(image)
    matches = match_cells(mask.cells, truth)
    layers = draw_fates(grey, (mask.cells, truth), matches, MOST_BYTES, SIDE_PX)
    plain = decode(layers.image)
    coloured = Image.alpha_composite(plain, decode(layers.overlay))
    gap = np.full((plain.height, GAP_PX, 3), 255, np.uint8)
    row = np.concatenate([np.asarray(plain)[..., :3], gap, np.asarray(coloured)[..., :3]], axis=1)
    found, real = np.asarray(mask) > 0, truth > 0
    counts = matches.counts
    scores = (
        f"IoU {(found & real).sum() / (found | real).sum():.2f}, AP50 {average_precision(counts):.2f}, PQ"
        f" {panoptic_quality(counts):.2f}, count error {count_error(counts):.2f}"
    )
    return np.concatenate([row, draw_legend(row.shape[1], FATE_COLOURS)]), scores


def main() -> None:
    """Draw the picture and print the scores."""
    parser = argparse.ArgumentParser(description="Draw real cells as the shipped start predicts them.")
    parser.add_argument("image", type=Path, help="grey image")
    parser.add_argument("label", type=Path, help="ids of its cells")
    arguments = parser.parse_args()
    picture, scores = draw(arguments.image, arguments.label)
    Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET.name}: {scores}")


if __name__ == "__main__":
    main()
