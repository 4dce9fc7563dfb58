"""Facts of a page, made up: a training, and small images whose predictions are the shifted truth."""

import numpy as np

from livecell_monai.report.page import PageFacts
from livecell_monai.sample import Region, SamplePrediction, SplitPreview
from tests.support.cell_worlds import distorted
from tests.support.worlds import SHAPE, picture_of, some_cells

NASTY = "<img src=x onerror=alert(1)>&\"'"  # a name that would be an element, were it not kept text
TRAINING = {
    "created": "2026-01-02T03:04:05+00:00",
    "data": "cells",
    "data_sha256": "d" * 64,
    "files_sha256": {"image/a.tif": "a" * 64, "label/a.tif": "b" * 64},
    "weights_sha256": "c" * 64,
    "split": "region",
    "leaks": False,
    "epochs_run": 3,
    "kept_epoch": 3,
    "seconds": 12.3,
    "seed": 0,
    "computed_on": "cpu, float32, 1 threads",
    "validation": {"iou": 0.7, "accuracy": 0.9, "loss": 0.3},
    "validated_on": "the strips that were held out",
}
HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.2 / epoch, "train_iou": 0.2 * epoch, "val_iou": 0.22 * epoch}
    | {"train_accuracy": 0.9, "val_accuracy": 0.8 + 0.03 * epoch}
    for epoch in (1, 2, 3)
]


def predicted(name="a", role="test", shift=3, shape=SHAPE, seed=0, labelled=True):
    """An image whose prediction is the truth, shifted to the right: the farther, the worse its scores."""
    label = some_cells(shape, seed)
    truth = label > 0
    found = np.roll(truth, shift, axis=1)
    noise = np.random.default_rng(seed).uniform(0, 0.3, shape)
    probability = np.where(found, 1 - noise, noise).astype(np.float32)
    image = picture_of(label, seed).astype(np.float32)
    return SamplePrediction(name, role, image, probability, found, truth if labelled else None)


def predicted_cells(name="a", role="test", seed=0, shift=2):
    """An image of 40 cells, some of them merged, split, missed or invented; the larger the shift, the worse."""
    truth, found = distorted(seed)
    found = np.roll(found, shift, axis=1)
    image = picture_of(truth.astype(np.uint16), seed).astype(np.float32)
    mask = found > 0
    return SamplePrediction(name, role, image, mask.astype(np.float32) * 0.9, mask, truth > 0, cells=found, true_cells=truth)


def sides(name="a"):
    """An image of which the lower rows are held out behind a guard of 8 rows."""
    label = some_cells()
    height, width = label.shape
    return SplitPreview(name, picture_of(label), label > 0, Region(0, 0, 70, width), Region(78, 0, height, width))


def page_facts(**changes):
    """A page of two test images, a validation image and an image without truth, with every part that a page can have."""
    cells = some_cells((64, 64)) > 0
    images = [
        predicted("good", shift=1),
        predicted("bad", shift=9, seed=1),
        predicted("strip", "validation", 4, seed=2),
        predicted("new", labelled=False, seed=3),
    ]
    facts = {
        "title": "U-Net trained on cells",
        "training": TRAINING,
        "settings": {"checkpoint_selection": "last", "lr": 0.002, "filters": [16, 32]},
        "versions": {"torch": "2.13.0", "monai": "1.6.1"},
        "history": HISTORY,
        "threshold": 0.5,
        "split": "a strip was held out",
        "limit": "The strips are parts of the images.",
        "plan": "scale: 1.0  # because",
        "sides": [sides()],
        "samples": (np.stack([picture_of(cells.astype(np.uint16))] * 2).astype(np.float32), np.stack([cells] * 2)),
        "predictions": iter(images),
        "expected": len(images),
    }
    return PageFacts(**(facts | changes))
