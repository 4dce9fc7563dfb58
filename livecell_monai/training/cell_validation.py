"""Scores of the cells of the validation samples, after as many epochs as a small part of the training's time allows."""

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from torch.utils.data.distributed import DistributedSampler

from livecell_monai.metrics import list_cell_metrics
from livecell_monai.metrics.cells import CellCounts, match_cells
from livecell_monai.prediction.cell_pairs import pair_cells
from livecell_monai.prediction.prepared import plane_of
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import CELLS, LABEL, LABELLED, MAPS, PRED, TRUE_CELLS
from livecell_monai.training.budget import Budget

PREFIX = "val_"  #: of the metrics
SHARE = 0.03  # of the time of a training
MOST_PIXELS = 2_000_000  # that are scored after one epoch
CPU_COST, GPU_COST = 2.0, 30.0  # pixels of patches that are trained on in the time in which one pixel is scored


class CellValidation:
    """Adds the scores of cells, as means over samples, to an evaluator's metrics: `val_ap50`, `val_pq` and so on.

    Only where the decoder is on and all scored labels tell cells apart; otherwise it adds nothing. Of more pixels than
    `MOST_PIXELS`, samples are left out evenly, and large ones are cut: the same whatever the number of processes. The last
    epoch is scored, and others if all scoring takes at most `SHARE` of the time: by the clock with minutes, else by the
    pixels of an epoch, so that a resumed training scores the same epochs.
    """

    def __init__(self, segmenter: Segmenter, budget: Budget, epoch_pixels: int) -> None:
        self.segmenter, self.budget, self.epoch_pixels = segmenter, budget, epoch_pixels
        self.created_s = time.monotonic()
        self.durations_s: list[float] = []  #: of scoring, by scored epoch
        self._reset()

    def attach(self, evaluator: Engine) -> None:
        """Follow MONAI's evaluator, whose step is an `EvaluationStep`."""
        evaluator.add_event_handler(Events.STARTED, self._reset)
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._score)
        evaluator.add_event_handler(Events.COMPLETED, self._note)

    def _reset(self) -> None:
        self.is_on, self.step, self.most_pixels = self.segmenter.decoder.is_on, 1, MOST_PIXELS
        self.counts: list[CellCounts] = []
        self.without_ids = 0

    def _score(self, evaluator: Engine) -> None:
        state = evaluator.state
        first, stride, samples = _find_places(evaluator.data_loader)
        if self.is_on and state.iteration == 1:
            self._plan(samples, state.output[0][PRED].numel(), state.max_epochs)
        if not self.is_on or (first + stride * (state.iteration - 1)) % self.step:
            return
        started = time.monotonic()
        for sample, output in zip(state.batch, state.output, strict=True):
            self._score_sample(sample, output)
        self.durations_s[-1] += time.monotonic() - started

    def _plan(self, samples: int, area: int, epoch: int) -> None:
        """Decide whether to score after this epoch, and which samples, as if all were as large as the first."""
        area = int(idist.broadcast(float(area)))  # the main process's first sample
        self.step = math.ceil(samples / max(1, min(samples, MOST_PIXELS // area)))
        self.most_pixels = MOST_PIXELS // math.ceil(samples / self.step)
        is_last = epoch >= self.budget.epochs or self.budget.is_ending
        is_wanted = is_last or self._affords(min(samples * area, MOST_PIXELS), epoch)
        self.is_on = bool(idist.broadcast(float(is_wanted)))  # the main process's clock
        self.durations_s += [0.0] if self.is_on else []

    def _affords(self, pixels: int, epoch: int) -> bool:
        if self.budget.minutes:
            elapsed = time.monotonic() - max(self.created_s, self.budget.from_s)
            return sum(self.durations_s) + 2 * sum(self.durations_s[-1:]) <= SHARE * elapsed  # this epoch, and the last one
        cost = pixels * (CPU_COST if self.segmenter.device.type == "cpu" else GPU_COST)
        rate = min(1.0, SHARE * self.epoch_pixels / cost)  # scored epochs in an epoch
        return math.floor(epoch * rate) > math.floor((epoch - 1) * rate)

    def _score_sample(self, sample: Mapping[str, Any], output: Mapping[str, Any]) -> None:
        height, width = output[PRED].shape[-2:]
        rows = min(height, self.most_pixels // width)
        if rows < 1:
            return
        label = {LABEL: sample[LABEL][..., :rows, :]} if LABEL in sample else {}
        cut = {key: output[key][..., :rows, :] for key in (PRED, MAPS, LABELLED) if key in output}
        pair = pair_cells(self.segmenter, label, cut)
        if not pair:
            self.without_ids += 1
            return
        weight = plane_of(cut[LABELLED]) if LABELLED in cut else None
        self.counts.append(match_cells(plane_of(pair[CELLS]), plane_of(pair[TRUE_CELLS]), weight).counts)

    def _note(self, evaluator: Engine) -> None:
        """Set the metrics, or remove those of an earlier epoch."""
        metrics = {metric.name: metric.from_cells for metric in list_cell_metrics() if metric.from_cells is not None}
        for name in metrics:
            evaluator.state.metrics.pop(PREFIX + name, None)
        if not self.is_on:
            return
        sums = [sum(map(score, self.counts)) for score in metrics.values()]
        without_ids, images, *totals = _add_processes([self.without_ids, len(self.counts), *sums])
        if images and not without_ids:
            means = {PREFIX + name: total / images for name, total in zip(metrics, totals, strict=True)}
            evaluator.state.metrics.update(means)


def _find_places(loader: Any) -> tuple[int, int, int]:
    """Of the samples of a data loader: the first one of this process, the step to its next one, and the number of all."""
    sampler = getattr(loader, "sampler", None)
    if isinstance(sampler, DistributedSampler):
        return sampler.rank, sampler.num_replicas, len(loader.dataset)
    return 0, 1, len(loader)


def _add_processes(values: list[float]) -> list[float]:
    """The sums of these values of all processes."""
    if idist.get_world_size() == 1:
        return values
    found = idist.all_reduce(torch.tensor(values, dtype=torch.float64, device=idist.device()))
    return [float(value) for value in found]
