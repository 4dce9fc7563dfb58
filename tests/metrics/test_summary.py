"""What the scores of a set of images say: means, intervals, pooled values, and the lines of tables."""

import statistics

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from livecell_monai.metrics import (
    Scores,
    list_lines,
    measure_mean,
    measure_scores,
    note_unscored_cells,
    score_mask,
    summarise_scores,
)
from livecell_monai.metrics import summary as module
from livecell_monai.metrics.cells import match_cells

NAMES = ("iou", "dice", "accuracy", "precision", "recall")
SURFACE = "surface_dice"
seeds = st.integers(0, 2**31)
EMPTY = np.zeros((5, 7), bool)
FULL = ~EMPTY
HALF = np.arange(35).reshape(5, 7) < 15


def scores_of(*ious):
    """Scores of images with these IoUs, of 100 foreground pixels each."""
    return [Scores(tp=round(100 * iou), fp=0, fn=100 - round(100 * iou), tn=50) for iou in ious]


masks_of_two = st.tuples(st.integers(1, 20), st.integers(1, 20), seeds, st.floats(0, 1)).map(
    lambda drawn: tuple(np.random.default_rng(drawn[2]).random((2, *drawn[:2])) < drawn[3])
)


class TestSet:
    @given(masks=st.lists(masks_of_two, min_size=1, max_size=6), groups=st.lists(st.integers(0, 3), min_size=6), seed=seeds)
    def test_against_the_slow_way(self, masks, groups, seed):
        """Means, medians and worst by the standard library, the pooled IoU by all pixels in one row, intervals by hand."""
        scores, groups = [score_mask(*pair) for pair in masks], groups[: len(masks)]
        summary = summarise_scores(scores, resamples=50, seed=seed, groups=groups)
        for name in NAMES:
            values = [score_mask(*pair).get(name) for pair in masks]
            part = summary[name]
            assert part["mean"] == pytest.approx(statistics.fmean(values))
            assert part["median"] == pytest.approx(statistics.median(values))
            assert part["worst"] == pytest.approx(min(values))
            assert (part["interval_95"] is None) is (len(set(groups)) < 3)
            if part["interval_95"] is not None:
                low, high = part["interval_95"]
                assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
        rows = [np.concatenate([pair[side].ravel() for pair in masks]) for side in (0, 1)]
        assert summary["pooled_iou"] == pytest.approx(score_mask(*rows).iou)

    @pytest.mark.parametrize("images", [3, 300])
    def test_draws_in_blocks_are_those_at_once(self, images, monkeypatch):
        values = np.random.default_rng(0).random(images)
        at_once = measure_mean(values, resamples=50)
        monkeypatch.setattr(module, "BLOCK", 7 * images + 1)
        assert measure_mean(values, resamples=50) == at_once

    @given(values=st.lists(st.floats(0, 1), min_size=3, max_size=8), seed=seeds)
    def test_an_interval_is_the_middle_of_what_resampling_gives(self, values, seed):
        drawn = np.random.default_rng(seed).integers(len(values), size=(40, len(values))).tolist()
        means = sorted(statistics.fmean(values[index] for index in indices) for indices in drawn)
        # of 40 means the 2.5 and 97.5 percentiles lie at 0.975 and 38.025, counted from 0
        expected = [means[0] + 0.975 * (means[1] - means[0]), means[38] + 0.025 * (means[39] - means[38])]
        mean, interval = measure_mean(values, resamples=40, seed=seed)
        assert mean == pytest.approx(statistics.fmean(values))
        assert interval == pytest.approx(expected)

    def test_by_hand(self):
        summary = summarise_scores(scores_of(0.5, 0.9, 0.7, 0.8))
        assert summary["images"] == 4
        assert summary["iou"]["mean"] == pytest.approx(0.725)
        assert summary["iou"]["median"] == pytest.approx(0.75)
        assert summary["iou"]["worst"] == 0.5
        assert set(summary) == {"images", "empty_rule", "pooled_iou", "pooled_iou_interval_95", *NAMES}

    def test_the_surface_dice_is_summarised_where_every_image_has_it(self):
        known = [Scores(1, 1, 1, 1, measured={SURFACE: value}) for value in (0.2, 0.4, 0.9)]
        part = summarise_scores(known)[SURFACE]
        assert (part["mean"], part["median"], part["worst"]) == (pytest.approx(0.5), 0.4, 0.2)
        assert part["interval_95"][0] < 0.5 < part["interval_95"][1]
        assert SURFACE not in summarise_scores([*known, Scores(1, 1, 1, 1)])

    @pytest.mark.parametrize("name", NAMES)
    def test_interval_holds_the_mean(self, name):
        generator = np.random.default_rng(0)
        scores = [Scores(*(int(count) for count in generator.integers(1, 100, 4))) for _ in range(12)]
        part = summarise_scores(scores)[name]
        low, high = part["interval_95"]
        assert part["worst"] <= low < part["mean"] < high <= 1

    def test_interval_is_as_wide_as_theory_says(self):
        values = np.random.default_rng(0).normal(0.7, 0.05, 60)
        scores = [Scores(tp=round(10_000 * value), fp=0, fn=10_000 - round(10_000 * value), tn=0) for value in values]
        low, high = summarise_scores(scores)["iou"]["interval_95"]
        # normal theory; at 60 images the percentile method is narrower by a hundredth, its own noise is of that size
        assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(60), rel=0.05)

    @pytest.mark.parametrize(("images", "known"), [(1, False), (2, False), (3, True)])
    def test_no_interval_below_three_images(self, images, known):
        assert (summarise_scores(scores_of(*[0.5, 0.6, 0.9][:images]))["iou"]["interval_95"] is not None) is known

    def test_images_that_agree_have_no_width(self):
        assert summarise_scores(scores_of(0.5, 0.5, 0.5))["iou"]["interval_95"] == [0.5, 0.5]

    def test_pooled_weighs_by_pixels(self):
        small, large = Scores(10, 0, 0, 0), Scores(0, 500, 490, 0)
        summary = summarise_scores([small, large])
        assert summary["pooled_iou"] == pytest.approx(10 / 1000)
        assert summary["iou"]["mean"] == pytest.approx(0.5)

    def test_pooled_against_one_large_mask(self):
        generator = np.random.default_rng(1)
        pairs = [(generator.random((9, 9)) < 0.4, generator.random((9, 9)) < 0.4) for _ in range(5)]
        joined = score_mask(*(np.concatenate(masks) for masks in zip(*pairs, strict=True)))
        assert summarise_scores([score_mask(*pair) for pair in pairs])["pooled_iou"] == joined.iou

    def test_the_pooled_interval_is_that_of_the_pooled_value(self):
        # one large image: whether it is drawn decides, so the pooled IoU swings where the mean over images hardly does
        scores = [*scores_of(0.8, 0.8, 0.8), Scores(1000, 0, 9000, 0)]
        summary = summarise_scores(scores)
        low, high = summary["pooled_iou_interval_95"]
        assert low == pytest.approx(0.1, abs=0.01)
        assert high == pytest.approx(0.8)
        assert summarise_scores(scores[:2])["pooled_iou_interval_95"] is None

    def test_groups_are_drawn_as_a_whole(self):
        # two images of each dish are alike: four dishes, not eight images
        values = [0.5, 0.6, 0.8, 0.9]
        twice = scores_of(*[value for value in values for _ in range(2)])
        dishes = summarise_scores(twice, groups=[i // 2 for i in range(8)])["iou"]
        assert dishes["interval_95"] == pytest.approx(summarise_scores(scores_of(*values))["iou"]["interval_95"])
        alone = summarise_scores(twice)["iou"]["interval_95"]
        assert dishes["interval_95"][1] - dishes["interval_95"][0] > 1.2 * (alone[1] - alone[0])
        assert summarise_scores(twice, groups=["a"] * 4 + ["b"] * 4)["iou"]["interval_95"] is None

    @pytest.mark.parametrize(("images", "often"), [(3, 0.745), (10, 0.916), (24, 0.93)])
    def test_how_often_an_interval_holds_the_mean(self, images, often):
        """What cards and the command line say of few images: measured on normal values, 0.95 would be right."""
        generator = np.random.default_rng(0)
        held = 0
        for _ in range(1000):
            low, high = measure_mean(generator.normal(size=images), resamples=500)[1]
            held += low <= 0 <= high
        assert held / 1000 == pytest.approx(often, abs=0.04)

    def test_an_empty_image_counts(self):
        images = [score_mask(HALF, HALF), score_mask(FULL, EMPTY)]
        assert summarise_scores(images)["iou"]["mean"] == 0.5
        assert summarise_scores([score_mask(EMPTY, EMPTY)])["pooled_iou"] == 1.0

    def test_seed(self):
        scores = scores_of(0.5, 0.9, 0.7)
        first, second, other = (summarise_scores(scores, resamples=50, seed=seed) for seed in (0, 0, 1))
        assert first == second
        assert first != other

    def test_no_image(self):
        with pytest.raises(ValueError, match="a set must have at least one image, got none"):
            summarise_scores([])


def test_lines_of_a_table():
    summary = summarise_scores([measure_scores(HALF, mask) for mask in (HALF, FULL, HALF)])
    lines = list_lines({**summary, "cells": 3})
    labels = ["IoU", "Dice", "accuracy", "precision", "recall", "surface Dice", "IoU, pooled"]
    assert [line.label for line in lines] == labels
    assert (lines[0].mean, lines[0].worst) == (summary["iou"]["mean"], summary["iou"]["worst"])
    assert (lines[-1].mean, lines[-1].interval_95) == (summary["pooled_iou"], summary["pooled_iou_interval_95"])
    assert (lines[-1].median, lines[-1].worst) == (None, None)


def test_labels_without_ids_are_counted():
    counts = match_cells(np.eye(4, dtype=int), np.eye(4, dtype=int)).counts
    scored, binary = Scores(4, 0, 0, 12, cells=counts), Scores(4, 0, 0, 12)
    assert note_unscored_cells([scored, scored]) == {}
    assert note_unscored_cells([scored, binary]) == {"cells_not_scored": "1 of 2 labels do not tell cells apart"}
