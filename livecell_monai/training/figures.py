"""The figures and the page of a finished training, predicted by the weights that the bundle keeps."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.export import package_versions
from livecell_monai.data.dataset.items import to_items
from livecell_monai.data.dataset.split_descriptions import SPLITS
from livecell_monai.network import Range
from livecell_monai.plan import measure_fingerprint
from livecell_monai.prediction.sample_predictions import measure_map_ranges, predict_items, predict_samples
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import Sample
from livecell_monai.training.facts import TrainingResult
from livecell_monai.training.shown_samples import draw_samples, pick_unseen, show_split

TEST_IMAGES = 6  # predicted for the page
TEST_IMAGES_IN_HASTE = 2  # if the whole run has less than HASTE_MINUTES
HASTE_MINUTES = 2.0


@dataclass(frozen=True)
class Loaders:
    """Where the figures take their images from.

    Attributes:
        training: batches of augmented samples.
        validation: validation samples, preprocessed.
    """

    training: Any
    validation: Any


class FigureWriter:
    """Writes the figures, `scores.csv` and `report.html`.

    Args:
        segmenter: of the network that is kept.
        write: called with the folder and the facts that `PageFacts` names.
    """

    def __init__(self, segmenter: Segmenter, write: Callable[..., None]) -> None:
        self.segmenter = segmenter
        self.write = write

    def measure_ranges(self, samples: Sequence[Sample]) -> dict[str, Range]:
        """Ranges of the network's maps on the training images, for the int8 backend; labels are not read."""
        images = [replace(sample, label=None, border=None) for sample in samples]
        return measure_map_ranges(self.segmenter, to_items(images))

    def __call__(
        self, folder: Path, result: TrainingResult, training: Mapping[str, Any], loaders: Loaders, plan: str
    ) -> None:
        """Write everything into a folder; each image is predicted when the page asks for it.

        Args:
            folder: `docs` of the bundle.
            result: the finished training.
            training: what the metadata say of it.
            loaders: images of training and validation.
            plan: text of the plan, empty without one.
        """
        data, settings = result.data, result.settings
        is_hasty = 0 < settings["minutes"] < HASTE_MINUTES
        tests = pick_unseen(data.dataset_dir, TEST_IMAGES_IN_HASTE if is_hasty else TEST_IMAGES, settings["seed"])
        predictions = (
            predict_samples(self.segmenter, loaders.validation, "validation"),
            predict_items(self.segmenter, to_items(tests), "test"),
        )
        self.write(
            folder,
            title=f"livecell U-Net trained on {data.name}",
            training=training,
            settings=result.shown_settings,
            versions=package_versions(),
            history=result.history.rows,
            threshold=settings["threshold"],
            split=SPLITS[data.split.mode].split,
            limit=SPLITS[data.split.mode].limit,
            plan=plan,
            sides=show_split(data.split),
            samples=draw_samples(loaders.training),
            predictions=itertools.chain(*predictions),
            expected=len(loaders.validation) + len(tests),
            diameter_px=measure_fingerprint(data.split.train).diameter_px,
        )
