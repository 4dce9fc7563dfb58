"""What the masks are worth: minutes each, so by `make test-slow` and `make test-real`."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from livecell_monai import tasks
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.metrics import score_mask

QUIET = {"show_progress": False, "track": False}


def otsu_threshold(image: np.ndarray) -> float:
    """Source: Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Trans. SMC 9, 1979."""
    counts, edges = np.histogram(image, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[np.nanargmax(between)])


def otsu_iou(folder: Path) -> float:
    """Mean IoU of the better side of Otsu's threshold on |image - background|, what one gets without learning."""
    scores = []
    for sample in list_samples(folder, "test"):
        image = read_image(sample.image).pixels.astype(float)
        contrast = ndimage.gaussian_filter(np.abs(image - ndimage.gaussian_filter(image, 40)), 2)
        scores.append(score_mask(contrast > otsu_threshold(contrast), read_label(sample.label)).iou)
    return float(np.mean(scores))


@pytest.mark.slow
def test_a_short_training_beats_a_threshold_on_the_sample_set(tmp_path):
    data = write_sample_set(tmp_path / "cells", train=3, test=4, shape=(512, 512))
    trained = tasks.train(data, tmp_path / "model", settings={**QUIET, "epochs": 3, "samples_per_epoch": 320})
    tested = tasks.evaluate(tmp_path / "model", data, tmp_path / "scores", {"show_progress": False})
    assert tested["iou"]["mean"] > 0.6
    assert tested["iou"]["mean"] > otsu_iou(data) + 0.2
    assert trained["validation"]["iou"] == pytest.approx(tested["iou"]["mean"], abs=0.15)


@pytest.mark.real
def test_the_default_reaches_its_figure_on_real_cells(tmp_path):
    if "LIVECELL_DATA" not in os.environ:
        pytest.skip("LIVECELL_DATA names no folder of real data")
    data = Path(os.environ["LIVECELL_DATA"]) / "t98g"
    tasks.train(data, tmp_path / "model", settings=QUIET)
    tested = tasks.evaluate(tmp_path / "model", data, tmp_path / "scores", {"show_progress": False})
    assert tested["iou"]["mean"] >= 0.65
    assert tested["images"] == 24
