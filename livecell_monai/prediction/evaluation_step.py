"""One iteration of MONAI's evaluator, for prediction, evaluation and validation."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from monai.data import decollate_batch
from monai.engines.utils import IterationEvents

from livecell_monai.data.checks.limits import MEMORY_ADVICE
from livecell_monai.errors import TooLargeError, is_out_of_memory
from livecell_monai.network.accelerator import release_memory
from livecell_monai.prediction.cell_pairs import pair_cells
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.prepared import image_of, name_of, without_metadata
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import IMAGE, LABEL, LABELLED, LOGITS, MAPS, PRED, PROBLEM, TARGET, WEIGHT
from livecell_monai.transforms.scale import GRID

Output = dict[str, torch.Tensor]


class EvaluationStep:
    """Predicts a batch of preprocessed samples; see `predict_sample`.

    An image that does not fit into memory is skipped and recorded by the data set; without one, the error is raised.
    `with_cells` adds what `pair_cells` returns.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        dataset: ReadableDataset | None = None,
        with_loss: bool = False,
        with_cells: bool = False,
    ) -> None:
        self.segmenter, self.dataset = segmenter, dataset
        self.with_loss, self.with_cells = with_loss, with_cells

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> list[Output]:
        """The output of each sample; empty if the image is skipped."""
        samples = decollate_batch(batch)
        try:
            outputs = [predict_sample(self.segmenter, sample, self.with_loss) for sample in samples]
            if self.with_cells:
                for sample, output in zip(samples, outputs, strict=True):
                    output |= pair_cells(self.segmenter, sample, output)
        except Exception as error:
            if self.dataset is None or not (is_out_of_memory(error) or isinstance(error, TooLargeError)):
                raise
            message = str(error) if isinstance(error, TooLargeError) else ""
        else:
            engine.state.batch, engine.state.output = samples, outputs
            engine.fire_event(IterationEvents.FORWARD_COMPLETED)
            engine.fire_event(IterationEvents.MODEL_COMPLETED)
            return outputs
        # only here is the error gone, and with it the memory that its frames held
        path = name_of(batch[IMAGE])
        self.dataset.skip(path, message or f"{path}: must fit into memory to be predicted, it does not; {MEMORY_ADVICE}")
        engine.state.batch, engine.state.output = [], []
        release_memory(torch.device("cpu"))
        return []


def predict_sample(segmenter: Segmenter, sample: Mapping[str, Any], with_loss: bool = False) -> Output:
    """Predict one preprocessed sample, with `image` and perhaps `label` or `target` and `weight`, on its own grid.

    Returns `pred` (1, Y, X), the mask of 0 and 1, and `maps` (C, Y, X); both are 0 for a sample with a `problem`. With a
    label also `label` (1, Y, X), the true mask, and `labelled` if some pixels are not labelled. For a loss function also
    `logits` (C, Y, X) and `target` (C, Y, X), or (C + 1, Y, X) with the weight.
    """
    head = segmenter.head
    if PROBLEM in sample:
        maps = torch.zeros(len(head.channels), *map(int, sample[GRID]))
        return {PRED: maps[:1], MAPS: maps}
    logits = segmenter.logits_of(image_of(sample))
    maps = head.to_maps(logits)
    output = {PRED: segmenter.mask_of(maps).float(), MAPS: maps}
    if LABEL in sample or TARGET in sample:
        given = without_metadata(sample[TARGET if TARGET in sample else LABEL])
        target = (given if TARGET in sample else head.derive_target(given)).to(logits.device)
        weight = without_metadata(sample[WEIGHT]).to(target) if WEIGHT in sample else None
        output |= note_truth(head.take_foreground(target), weight)
        if with_loss:
            output |= {LOGITS: logits, TARGET: target if weight is None else torch.cat([target, weight])}
    return output


def labelled_pixels(output: Any) -> tuple[Any, Any]:
    """Masks and true masks of an engine's output for MONAI's metrics, without unlabelled pixels.

    The output is one batch, (B, 1, Y, X) by key, or a list of samples, (1, Y, X) by key. Both are unchanged if every pixel
    is labelled; else they are lists of (1, N), one for each sample with a labelled pixel.
    """
    samples = output if isinstance(output, list) else [output]
    if not any(LABELLED in sample for sample in samples):
        both = [[sample[key] for sample in samples] for key in (PRED, LABEL)]
        return (both[0], both[1]) if isinstance(output, list) else (both[0][0], both[1][0])
    if not isinstance(output, list):
        keys = (PRED, LABEL, LABELLED)
        samples = [dict(zip(keys, row, strict=True)) for row in zip(*(output[key] for key in keys), strict=True)]
    pairs = []
    for sample in samples:
        labelled = sample.get(LABELLED, torch.ones_like(sample[PRED], dtype=torch.bool))
        if bool(labelled.any()):
            pairs.append((sample[PRED][labelled][None], sample[LABEL][labelled][None]))
    if not pairs:  # a metric needs at least one pixel
        pairs = [(samples[0][PRED].new_zeros(1, 1), samples[0][PRED].new_zeros(1, 1))]
    return [pred for pred, _ in pairs], [truth for _, truth in pairs]


def note_truth(truth: torch.Tensor, weight: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The key `label` of an output, the true mask, and `labelled`, if there are pixels that are not labelled.

    These have a target of the foreground below 0 or a weight of 0; both are (..., 1, Y, X).
    """
    labelled = truth >= 0 if weight is None else (truth >= 0) & (weight > 0)
    label = {LABEL: truth.clamp(min=0)}
    return label if bool(labelled.all()) else {**label, LABELLED: labelled}
