"""Images predicted one at a time beside the engines, with what a report shows of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.networks.utils import eval_mode
from monai.transforms import CenterSpatialCrop
from torch.nn.functional import interpolate

from livecell_monai.data.dataset.items import Item
from livecell_monai.network import Range, measure_ranges
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.evaluation_step import EvaluationStep
from livecell_monai.prediction.prepared import ImageInMemory, without_metadata
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import IMAGE, LABEL, LABELLED, MAPS, NAME, PRED, Pixels, SamplePrediction

MEASURED = 8  # images whose maps are measured
MIDDLE = 1024  # pixels of its edges: time and memory must not grow with the images


class SamplePredictor:
    """Predicts samples as they are asked for.

    Args:
        segmenter: of the network, whose weights are loaded by the time that a sample is predicted.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.step = EvaluationStep(segmenter)

    def predict_prepared(self, prepared: Iterable[Mapping[str, Any]], role: str) -> Iterator[SamplePrediction]:
        """Predict samples that are preprocessed already, one after the other.

        Args:
            prepared: with `image` (1, Y, X), perhaps `label` and `weight` (1, Y, X) on the original grid, perhaps a name.
            role: of the samples, `validation` or `test`.
        """
        for number, sample in enumerate(prepared, start=1):
            output = self.step.look(sample)
            mask = _plane(output[PRED]) > 0
            image = interpolate(without_metadata(sample[IMAGE])[None].float(), mask.shape, mode="bilinear")[0]
            yield SamplePrediction(
                name=str(sample.get(NAME, f"{role} {number}")),
                role=role,
                image=_plane(image),
                probability=_plane(self.segmenter.head.take_foreground(output[MAPS])),
                mask=mask,
                truth=_plane(output[LABEL]) > 0 if LABEL in output else None,
                labelled=_plane(output[LABELLED]) if LABELLED in output else None,
            )

    def predict(self, items: Iterable[Item], role: str) -> Iterator[SamplePrediction]:
        """Read and predict images; one that cannot be read is skipped.

        Args:
            items: one dictionary of paths an image.
            role: as for `predict_prepared`.
        """
        yield from self.predict_prepared(ReadableDataset(list(items), self.segmenter.preprocessing), role)

    def measure_ranges(self, items: Sequence[Item]) -> dict[str, Range]:
        """What values the network's maps take in the middle of some images, spread evenly over all, for int8 backends.

        Args:
            items: one dictionary of paths an image.
        """
        step = max(1, len(items) / MEASURED)
        some = [items[int(index * step)] for index in range(min(MEASURED, len(items)))]
        middle, segmenter = CenterSpatialCrop((MIDDLE, MIDDLE)), self.segmenter

        def look() -> None:
            for sample in ReadableDataset(some, segmenter.preprocessing):
                segmenter.inferer.whole(ImageInMemory(middle(sample[IMAGE])), segmenter.network, segmenter.device)

        with eval_mode(segmenter.network):
            return measure_ranges(segmenter.network, look)


def _plane(tensor: torch.Tensor) -> Pixels:
    """(Y, X) of a tensor (1, Y, X)."""
    return np.asarray(without_metadata(tensor)[0].cpu())
