"""Scores of cells during a training: which epochs and samples are scored, and what they are."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch.utils.data import DataLoader

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.distributed.ddp import ProcessGroup
from livecell_monai.metrics import measure_scores
from livecell_monai.network import Head
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.runs.processes import run_in_processes
from livecell_monai.training import cell_validation
from livecell_monai.training.budget import Budget
from livecell_monai.training.cell_validation import CellValidation
from tests.support.cell_worlds import TOUCHING, distorted

AREA = TOUCHING.size
WORLDS = [(TOUCHING, np.roll(TOUCHING, shift, axis=1) > 0) for shift in (0, 4, 9, 14)]


def plane(values):
    return torch.as_tensor(values, dtype=torch.float32)[None]


def samples_of(worlds, label=lambda truth: truth):
    """Batches of one sample and their outputs."""
    inputs = [[{"label": plane(label(truth))}] for truth, _ in worlds]
    return [(batch, [{"pred": plane(mask), "maps": plane(mask)}]) for batch, (_, mask) in zip(inputs, worlds, strict=True)]


class Validated:
    """An evaluator with cells, run by epoch."""

    def __init__(self, samples, minutes=0.0, epochs=10, cells=True, epoch_pixels=10**9):
        def step(engine, batch):
            engine.state.batch, engine.state.output = batch
            return engine.state.output

        segmenter = Segmenter(None, None, None, Head(), 0.5, torch.device("cpu"), CellDecoder(cells=cells))
        self.cells = CellValidation(segmenter, Budget(minutes, epochs), epoch_pixels)
        network, handlers = torch.nn.Identity(), [self.cells]
        self.engine = SupervisedEvaluator(
            torch.device("cpu"), samples, network, iteration_update=step, val_handlers=handlers, decollate=False
        )

    def run(self, epoch):
        self.engine.run(epoch)
        return {name: value for name, value in self.engine.state.metrics.items() if name.startswith("val_")}


def expect(worlds, name):
    pairs = [(mask, truth, (CellDecoder()(mask, {}), truth)) for truth, mask in worlds]
    return np.mean([measure_scores(mask, truth > 0, cells=cells).get(name) for mask, truth, cells in pairs])


def test_scores_are_means_over_samples():
    found = Validated(samples_of(WORLDS)).run(1)
    assert set(found) == {f"val_{name}" for name in ("ap50", "ap75", "map", "cell_f1", "pq", "seg", "aji", "count_error")}
    for name in ("ap50", "pq", "count_error"):
        assert found[f"val_{name}"] == pytest.approx(expect(WORLDS, name))
    assert 0 < found["val_ap50"] < 1


def test_unlabelled_pixels_do_not_count():
    samples = samples_of(WORLDS[1:2])
    before = Validated(samples).run(1)["val_seg"]
    samples[0][1][0]["labelled"] = plane((TOUCHING > 0) == WORLDS[1][1]) > 0
    assert Validated(samples).run(1)["val_seg"] > before


@pytest.mark.parametrize(
    ("samples", "cells"),
    [
        (samples_of(WORLDS, lambda truth: truth > 0), True),
        (samples_of(WORLDS[:1], lambda truth: truth > 0) + samples_of(WORLDS[1:]), True),
        (samples_of(WORLDS), "auto"),
        ([([{}], output) for _, output in samples_of(WORLDS)], True),
    ],
    ids=["binary", "one is binary", "no cells are written", "no labels"],
)
def test_nothing_is_invented(samples, cells):
    assert Validated(samples, cells=cells).run(10) == {}


class TestWhichEpochs:
    """As many as `SHARE` of the time allows, and the last one."""

    def scored(self, validated, epochs):
        return [epoch for epoch in range(1, epochs + 1) if validated.run(epoch)]

    @pytest.mark.parametrize(("share", "expected"), [(1.0, list(range(1, 11))), (0.4, [3, 5, 8, 10]), (0.01, [10])])
    def test_by_work_without_minutes(self, share, expected):
        work = share * len(WORLDS) * AREA * cell_validation.CPU_COST / cell_validation.SHARE
        assert self.scored(Validated(samples_of(WORLDS), epoch_pixels=work), 10) == expected

    def test_a_resumed_training_scores_the_same_epochs(self):
        work = 0.4 * len(WORLDS) * AREA * cell_validation.CPU_COST / cell_validation.SHARE
        resumed = Validated(samples_of(WORLDS), epoch_pixels=work)
        assert [epoch for epoch in range(6, 11) if resumed.run(epoch)] == [8, 10]

    def test_by_the_clock_with_minutes(self, monkeypatch):
        clock = SimpleNamespace(now=100.0)
        monkeypatch.setattr(cell_validation.time, "monotonic", lambda: clock.now)
        real = cell_validation.pair_cells

        def slow(*arguments):
            clock.now += 0.1
            return real(*arguments)

        monkeypatch.setattr(cell_validation, "pair_cells", slow)
        validated = Validated(samples_of(WORLDS), minutes=10.0, epochs=40)
        scored, spent = [], 0.0
        for epoch in range(1, 41):
            clock.now += 10.0
            before = clock.now
            scored += [epoch] if validated.run(epoch) else []
            spent += clock.now - before
        assert scored[0] == 1
        assert scored[-1] == 40
        assert 3 * 0.4 < spent <= 0.03 * (clock.now - 100)

    def test_an_epoch_that_ends_the_time_is_the_last(self):
        validated = Validated(samples_of(WORLDS), epoch_pixels=1)
        assert validated.run(3) == {}
        validated.cells.budget.done = 1.0
        assert validated.run(4)

    def test_an_epoch_without_scores_does_not_show_those_of_an_earlier_one(self):
        work = 0.4 * len(WORLDS) * AREA * cell_validation.CPU_COST / cell_validation.SHARE
        validated = Validated(samples_of(WORLDS), epoch_pixels=work)
        assert validated.run(3)
        assert validated.run(4) == {}


class TestManyPixels:
    def test_samples_are_left_out_evenly(self, monkeypatch):
        monkeypatch.setattr(cell_validation, "MOST_PIXELS", 2 * AREA)
        found = Validated(samples_of(WORLDS)).run(10)
        assert found["val_seg"] == pytest.approx(expect(WORLDS[::2], "seg")) != expect(WORLDS, "seg")

    def test_one_large_sample_is_cut(self, monkeypatch):
        truth, predicted = distorted(0)
        monkeypatch.setattr(cell_validation, "MOST_PIXELS", 100 * truth.shape[1] + 7)
        found = Validated(samples_of([(truth, predicted > 0)])).run(10)
        assert found["val_seg"] == pytest.approx(expect([(truth[:100], predicted[:100] > 0)], "seg"))


#: one of another size
UNEQUAL = [*WORLDS, (TOUCHING[:40], np.roll(TOUCHING, 5, axis=1)[:40] > 0)]
CASES = {
    "all": (UNEQUAL, 10 * AREA),
    "every second": (UNEQUAL, 3 * AREA),
    "one, cut": (UNEQUAL, AREA // 2),
    "fewer than processes": (WORLDS[1:2], 10 * AREA),
}
GROUP = {"accelerator": "cpu", "batch_size": 4, "augmentation": "patches", "split": "auto", "compile": False}


def take_first(batch):
    return batch[0]


def validate(samples, most, sampler=None, epoch_pixels=10**9):
    """The scores of an epoch, and the scored epochs of ten by work."""
    cell_validation.MOST_PIXELS = most
    loader = DataLoader(samples, sampler=sampler, batch_size=1, collate_fn=take_first)
    work = 0.4 * most * cell_validation.CPU_COST / cell_validation.SHARE
    first, validated = Validated(loader), Validated(loader, epoch_pixels=work)
    return first.run(1), [epoch for epoch in range(1, 11) if validated.run(epoch)]


def validate_together(folder):
    """As one of several processes: each case, and a sample without ids in the second process alone."""
    group = ProcessGroup({**GROUP, "norm": "instance"})
    found = {}
    for name, (worlds, most) in CASES.items():
        found[name] = validate(samples_of(worlds), most, group.sampler(worlds))
    mixed = [*samples_of(WORLDS[:1]), *samples_of(WORLDS[:1], lambda truth: truth > 0)]
    found["binary"] = validate(mixed, AREA * 9, group.sampler(mixed))
    torch.save(found, f"{folder}/{group.rank}.pt")
    group.leave()


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_two_processes_score_the_same_samples_and_epochs_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(cell_validation, "MOST_PIXELS", cell_validation.MOST_PIXELS)
    run_in_processes(2, validate_together, str(tmp_path))
    both = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in (0, 1)]
    assert [found.pop("binary") for found in both] == [({}, []), ({}, [])]
    for name, (worlds, most) in CASES.items():
        scores, epochs = validate(samples_of(worlds), most)
        assert 0 < scores["val_seg"] < 1
        for together in both:
            assert together[name] == (pytest.approx(scores), epochs), name
    assert len({round(both[0][name][0]["val_seg"], 6) for name in CASES}) == len(CASES)
