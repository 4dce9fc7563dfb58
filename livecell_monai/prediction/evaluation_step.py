"""One iteration of MONAI's evaluator, by the segmenter: for predictions, for scores and for validation."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from monai.data import decollate_batch
from monai.engines.utils import IterationEvents

from livecell_monai.data.checks.limits import MEMORY_ADVICE
from livecell_monai.errors import TooLargeError, is_out_of_memory
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.out_of_memory import release_memory
from livecell_monai.prediction.prepared import image_of, name_of, without_metadata
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import IMAGE, LABEL, LABELLED, LOGITS, MAPS, PRED, TARGET, WEIGHT

Output = dict[str, torch.Tensor]


class EvaluationStep:
    """What an evaluator does with a batch of samples that are preprocessed.

    For each sample it leaves `pred` (1, Y, X), the mask of 0 and 1, and `maps` (C, Y, X), both on the image's own grid.
    Where there is a label, it leaves `label` (1, Y, X), the true mask of 0 and 1, and `labelled` if
    some pixels are not.

    Args:
        segmenter: of the network that is looked at.
        dataset: notes images that do not fit into memory, so that they do not stop the others; None to raise the error.
        with_loss: whether to leave `logits` (C, Y, X) and `target` (C or C + 1, Y, X) for a loss function too.
    """

    def __init__(self, segmenter: Segmenter, dataset: ReadableDataset | None = None, with_loss: bool = False) -> None:
        self.segmenter, self.dataset, self.with_loss = segmenter, dataset, with_loss

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> list[Output]:
        """The output of each sample; nothing for an image that is skipped."""
        samples = decollate_batch(batch)
        try:
            outputs = [self.look(sample) for sample in samples]
        except Exception as error:
            is_known = is_out_of_memory(error) or isinstance(error, TooLargeError)
            if self.dataset is None or not is_known:
                raise
            message = str(error) if isinstance(error, TooLargeError) else ""
        else:
            engine.state.batch, engine.state.output = samples, outputs
            engine.fire_event(IterationEvents.FORWARD_COMPLETED)
            engine.fire_event(IterationEvents.MODEL_COMPLETED)
            return outputs
        path = name_of(batch[IMAGE])
        self.dataset.skip(path, message or f"{path}: must fit into memory to be predicted, it does not; {MEMORY_ADVICE}")
        engine.state.batch, engine.state.output = [], []
        release_memory(torch.device("cpu"))
        return []

    def look(self, sample: Mapping[str, Any]) -> Output:
        """The output of one sample."""
        head = self.segmenter.head
        logits = self.segmenter.logits_of(image_of(sample))
        maps = head.to_maps(logits)
        output = {PRED: self.segmenter.mask_of(maps).float(), MAPS: maps}
        if LABEL in sample or TARGET in sample:
            target = target_of(sample, self.segmenter).to(logits.device)
            output[LABEL] = head.take_foreground(target)
            weight = without_metadata(sample[WEIGHT]).to(target) if WEIGHT in sample else None
            if weight is not None:
                output |= note_labelled(weight)
            if self.with_loss:
                output |= {LOGITS: logits, TARGET: target if weight is None else torch.cat([target, weight])}
        return output


def target_of(sample: Mapping[str, Any], segmenter: Segmenter) -> torch.Tensor:
    """The target (C, Y, X) that a sample has, or that the head derives from its label."""
    if TARGET in sample:
        return without_metadata(sample[TARGET])
    return segmenter.head.derive_target(without_metadata(sample[LABEL]))


def labelled_pixels(output: Any) -> tuple[Any, Any]:
    """Masks and true masks of an engine's output for MONAI's metrics, without unlabelled pixels.

    Args:
        output: of one batch, (B, 1, Y, X) by key, or a list of samples, (1, Y, X) by key.

    Returns:
        Both as they are where every pixel is labelled; else as lists of (1, N) for each sample that has a labelled pixel.
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
    if not pairs:  # a metric must get a pixel
        pairs = [(samples[0][PRED].new_zeros(1, 1), samples[0][PRED].new_zeros(1, 1))]
    return [pred for pred, _ in pairs], [truth for _, truth in pairs]


def note_labelled(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Which pixels are labelled by their weight (..., 1, Y, X), as an output has it: nothing where all are."""
    labelled = weight > 0
    return {} if bool(labelled.all()) else {LABELLED: labelled}
