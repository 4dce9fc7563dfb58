"""A trained bundle and a data folder, opened for a report."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.dataset.findings import check_samples
from livecell_monai.data.dataset.folder import has_role, list_samples
from livecell_monai.data.dataset.identity import digest_of, hash_file, hash_samples
from livecell_monai.data.dataset.items import to_items
from livecell_monai.data.dataset.split import Split
from livecell_monai.plan import measure_fingerprint
from livecell_monai.prediction.sample_predictions import predict_items
from livecell_monai.prediction.segmenter import open_segmenter
from livecell_monai.sample import Pixels, Sample, SamplePrediction, SplitPreview
from livecell_monai.training.shown_samples import draw_samples, pick_test_samples, show_split


@dataclass(frozen=True)
class Review:
    """The content of a report on a bundle and a data folder.

    Attributes:
        data_sha256: digest of the annotated images and their labels, None where there are none.
        sides: annotated images with the parts that the bundle's own split gives to either side.
        samples: augmented samples, images (B, Y, X) and labels (B, Y, X); None where nothing is annotated.
        predictions: of validation and test images, as they are asked for.
        expected: how many these are.
        diameter_px: median diameter of the annotated cells, 0 without any.
        left_out: number of test images that are not shown.
        hashes: SHA-256 of each test image that is shown, by name.
    """

    data_sha256: str | None
    sides: Sequence[SplitPreview]
    samples: tuple[Pixels, Pixels] | None
    predictions: Iterator[SamplePrediction]
    expected: int
    diameter_px: float
    left_out: int
    hashes: Mapping[str, str]


def open_review(bundle: Path, data: str | Path, most_tests: int = 100) -> Review:
    """Open a bundle with its own settings, split and weights, and check the data.

    Args:
        bundle: a trained bundle.
        data: data folder or datalist with training images, test images or both.
        most_tests: number of test images that is not to be passed; of more, some are drawn at random.

    Raises:
        LiveCellError: the bundle or the data breaks a rule.
    """
    paths = {"dataset_dir": str(Path(data).resolve())}
    opened = open_bundle(bundle, ["inference", "train"], None, paths)
    segmenter = open_segmenter(bundle)
    split = opened.split if has_role(data, "train") or not has_role(data, "test") else None
    tests = pick_test_samples(data, most_tests, opened.settings["seed"])
    total = len(list_samples(data, "test")) if has_role(data, "test") else 0
    check_samples(tests, "test")
    held: Sequence[Sample] = split.validation if split else ()
    predictions = (predict_items(segmenter, to_items(held), "validation"), predict_items(segmenter, to_items(tests), "test"))
    return Review(
        data_sha256=_digest(split) if split else None,
        sides=show_split(split) if split else (),
        samples=draw_samples(opened.training_batches) if split else None,
        predictions=itertools.chain(*predictions),
        expected=len(held) + len(tests),
        diameter_px=measure_fingerprint(split.train).diameter_px if split else 0.0,
        left_out=total - len(tests),
        hashes={sample.name: hash_file(sample.image) for sample in tests},
    )


def _digest(split: Split) -> str:
    both = {sample.name: sample for sample in (*split.train, *split.validation)}
    return digest_of(hash_samples(both[name] for name in sorted(both)))
