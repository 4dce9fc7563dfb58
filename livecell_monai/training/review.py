"""Samples, split and predictions that a report shows."""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.start import read_expected_diameter
from livecell_monai.data.dataset.findings import check_samples
from livecell_monai.data.dataset.folder import describe_unlabelled, has_role, list_samples
from livecell_monai.data.dataset.identity import digest_of, hash_file
from livecell_monai.data.dataset.items import to_items
from livecell_monai.data.dataset.split import Split
from livecell_monai.data.ignored import find_labelled
from livecell_monai.data.readers.kinds import read_annotation, read_image
from livecell_monai.errors import LiveCellError
from livecell_monai.plan import measure_fingerprint
from livecell_monai.prediction.prepared import without_metadata
from livecell_monai.prediction.sample_predictions import predict_items
from livecell_monai.prediction.segmenter import Segmenter, open_segmenter
from livecell_monai.prediction.zero_shot import fit_settings
from livecell_monai.sample import IMAGE, TARGET, Pixels, Region, Sample, SamplePrediction, SplitPreview
from livecell_monai.training.facts import TrainingDataset

PATCHES = 16  # augmented samples that are shown


@dataclass(frozen=True)
class Review:
    """The content of a report on a bundle and a data folder."""

    data_sha256: str | None  #: digest of the annotated images and their labels, None without any
    sides: Sequence[SplitPreview]  #: annotated images with their training and validation regions in the bundle's split
    samples: tuple[Pixels, Pixels] | None  #: augmented images and labels (B, Y, X); None without annotated images
    predictions: Iterator[SamplePrediction]  #: of validation and test images, computed on request
    expected: int  #: number of predictions
    diameter_px: float  #: median diameter of the annotated cells, 0 without any; for a start, that which it assumes
    left_out: int  #: number of test images that are not shown
    unlabelled: str | None  #: a note if only some test images have a label
    hashes: Mapping[str, str]  #: SHA-256 of each test image that is shown, by name


def open_review(bundle: Path, data: str | Path, most_tests: int = 100, settings: Mapping[str, Any] | None = None) -> Review:
    """Open a trained bundle with its own settings, split and weights, and check a data folder or datalist.

    The data may hold training images, test images or both; of more than `most_tests`, that many are drawn at random.
    Of the start, which has no split, the test images are predicted. `settings` are those of the prediction that differ.
    Raises a LiveCellError if the bundle or the data breaks a rule.
    """
    paths = {"dataset_dir": str(Path(data).resolve())}
    opened = open_bundle(bundle, ["inference", "train"], None, paths)
    is_start = read_expected_diameter(bundle) is not None
    split = opened.split if not is_start and (has_role(data, "train") or not has_role(data, "test")) else None
    tests = pick_test_samples(data, most_tests, opened.settings["seed"], opened.settings["unlabelled_value"])
    every = list_samples(data, "test") if is_start or has_role(data, "test") else []  # the start has nothing else to show
    check_samples(tests, "test")
    segmenter = open_segmenter(bundle, fit_settings(bundle, settings, to_items(tests)))
    held: Sequence[Sample] = split.validation if split else ()
    predictions = (predict_items(segmenter, to_items(held), "validation"), predict_items(segmenter, to_items(tests), "test"))
    return Review(
        data_sha256=digest_of(TrainingDataset(str(data), split).annotated_hashes) if split else None,
        sides=show_split(split) if split else (),
        samples=draw_samples(opened.training_batches) if split else None,
        predictions=itertools.chain(*predictions),
        expected=len(held) + len(tests),
        diameter_px=measure_fingerprint(split.train).diameter_px if split else _assumed(segmenter) if is_start else 0.0,
        left_out=len(every) - len(tests),
        unlabelled=describe_unlabelled([sample.label is not None for sample in every]),
        hashes={sample.name: hash_file(sample.image) for sample in tests},
    )


def _assumed(segmenter: Segmenter) -> float:
    return segmenter.decoder.decoding.cell_diameter


def pick_test_samples(dataset_dir: str | Path, most: int, seed: int, unlabelled_value: int | None = None) -> list[Sample]:
    """Test images of a data folder or datalist with their labels, at most `most`, drawn at random, sorted by name.

    If only some have a label, these come first.
    """
    if not has_role(dataset_dir, "test"):
        return []
    samples = list_samples(dataset_dir, "test", unlabelled_value)
    generator = random.Random(seed)
    drawn = generator.sample(samples, min(most, len(samples)))
    if describe_unlabelled([sample.label is not None for sample in samples]) is not None:
        drawn = sorted(generator.sample(samples, len(samples)), key=lambda sample: sample.label is None)[:most]
    return sorted(drawn, key=lambda sample: sample.name)


def pick_unseen(dataset_dir: str | Path, most: int, seed: int) -> list[Sample]:
    """As `pick_test_samples`, but without labels, which a training must not read; none if they break a rule."""
    try:
        return [replace(sample, label=None, border=None) for sample in pick_test_samples(dataset_dir, most, seed)]
    except LiveCellError:
        return []


def show_split(split: Split, most: int = 12) -> list[SplitPreview]:
    """The first `most` images of a split by name, each with its training and validation region."""
    trained = {sample.name: sample for sample in split.train}
    held = {sample.name: sample for sample in split.validation}
    previews = []
    for name, sample in sorted({**held, **trained}.items())[:most]:
        image, label = read_image(sample.image).pixels, read_annotation(sample)
        whole = Region(0, 0, *label.shape)
        regions = [side[name].region or whole if name in side else None for side in (trained, held)]
        previews.append(SplitPreview(name, image, label > 0, regions[0], regions[1], find_labelled(label)))
    return previews


def draw_samples(batches: Iterable[Mapping[str, torch.Tensor]]) -> tuple[Pixels, Pixels]:
    """Images (B, Y, X) float32 and labels (B, Y, X) int8 of the next batch of a training, at most 16.

    Labels are 1 in the foreground and -1 where not annotated, else 0.
    """
    batch = next(iter(batches))
    images, labels = (np.asarray(without_metadata(batch[key])[:PATCHES, 0].cpu()) for key in (IMAGE, TARGET))
    return images, np.sign(labels).astype(np.int8)
