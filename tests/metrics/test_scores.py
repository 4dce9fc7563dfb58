"""Scores against scikit-learn, the rules for empty masks, and what a set of images says."""

import statistics

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from monai.bundle import ConfigParser
from skimage.metrics import contingency_table
from sklearn import metrics

from livecell_monai.bundle.template import find_template
from livecell_monai.metrics import Scores, measure_mean, score_mask, summarise_scores
from livecell_monai.metrics.scores import NAMES, SURFACE

SLOW_AND_SURE = {
    "iou": metrics.jaccard_score,
    "dice": metrics.f1_score,
    "accuracy": metrics.accuracy_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}
seeds = st.integers(0, 2**31)
EMPTY = np.zeros((5, 7), bool)
FULL = ~EMPTY
HALF = np.arange(35).reshape(5, 7) < 15
OTHER = np.arange(35).reshape(5, 7) >= 15


def scores_of(*ious):
    """Scores of images with these IoUs, of 100 foreground pixels each."""
    return [Scores(tp=round(100 * iou), fp=0, fn=100 - round(100 * iou), tn=50) for iou in ious]


#: two masks of one shape, empty and full ones among them
pairs = st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(
    lambda shape: st.tuples(
        *[
            st.one_of(
                st.sampled_from([np.zeros(shape, bool), np.ones(shape, bool)]),
                st.tuples(st.floats(0, 1), st.integers(0, 2**31)).map(
                    lambda drawn: np.random.default_rng(drawn[1]).random(shape) < drawn[0]
                ),
            )
        ]
        * 2
    )
)


def slow_score(name, mask, truth):
    """scikit-learn's, and the rule for empty masks, which it does not know: 1 for two, 0 for one."""
    if name != "accuracy" and not (mask.any() and truth.any()):
        return float(mask.any() == truth.any())
    return SLOW_AND_SURE[name](truth.ravel(), mask.ravel())


TRAINING = ConfigParser(ConfigParser.load_config_files([str(find_template() / "configs" / "train.yaml")]))


def bundled_iou():
    """The metric that chooses the best epoch, as `train.yaml` has it."""
    config = {"metric": TRAINING["validate#key_metric#val_iou#metric_fn"]}
    return ConfigParser(config).get_parsed_content("metric")


class TestOneMask:
    @given(pair=pairs)
    def test_against_scikit_learn_and_scikit_image(self, pair):
        scores = score_mask(*pair)
        for name in NAMES:
            assert getattr(scores, name) == pytest.approx(slow_score(name, *pair), abs=1e-12), name
        table = contingency_table(pair[1].astype(int), pair[0].astype(int)).toarray()
        table = np.pad(table, [(0, 2 - edge) for edge in table.shape])  # without classes that no pixel has
        assert [[scores.tn, scores.fp], [scores.fn, scores.tp]] == table.tolist()

    @given(pair=pairs)
    def test_monais_mean_iou_as_the_bundle_has_it(self, pair):
        planes = [torch.from_numpy(plane.astype(np.float32))[None, None] for plane in pair]
        metric = bundled_iou()
        metric(y_pred=planes[0], y=planes[1])
        assert float(metric.aggregate()) == pytest.approx(slow_score("iou", *pair), abs=1e-6)

    @given(pair=pairs)
    def test_masks_that_trade_places(self, pair):
        there, back = score_mask(*pair), score_mask(*pair[::-1])
        assert (there.iou, there.dice, there.accuracy) == (back.iou, back.dice, back.accuracy)
        assert (there.precision, there.recall) == (back.recall, back.precision)
        assert there.iou <= there.dice <= 1

    def test_counts(self):
        mask, truth = np.array([[1, 1, 1, 0, 0, 0]]), np.array([[1, 0, 0, 1, 1, 1]])
        assert score_mask(mask, truth) == Scores(tp=1, fp=2, fn=3, tn=0)
        assert score_mask(truth, mask) == Scores(tp=1, fp=3, fn=2, tn=0)

    def test_foreground_is_above_zero(self):
        assert score_mask(np.array([[0, 255]], np.uint8), np.array([[0, 7]], np.uint16)) == Scores(1, 0, 0, 1)
        assert score_mask(np.array([[-2.0, 0.1]]), np.array([[0, 7]])) == Scores(1, 0, 0, 1)

    @pytest.mark.parametrize(
        ("mask", "truth", "expected"),
        [
            (EMPTY, EMPTY, (1.0, 1.0, 1.0, 1.0, 1.0)),
            (FULL, EMPTY, (0.0, 0.0, 0.0, 0.0, 0.0)),  # false positives on an empty image
            (HALF, EMPTY, (0.0, 0.0, 20 / 35, 0.0, 0.0)),
            (EMPTY, FULL, (0.0, 0.0, 0.0, 0.0, 0.0)),
            (EMPTY, HALF, (0.0, 0.0, 20 / 35, 0.0, 0.0)),  # nothing found where cells are
            (OTHER, HALF, (0.0, 0.0, 0.0, 0.0, 0.0)),
            (HALF, HALF, (1.0, 1.0, 1.0, 1.0, 1.0)),
            (FULL, FULL, (1.0, 1.0, 1.0, 1.0, 1.0)),
        ],
    )
    def test_edges(self, mask, truth, expected):
        scores = score_mask(mask, truth)
        assert tuple(getattr(scores, name) for name in NAMES) == expected

    def test_a_large_image_does_not_overflow(self):
        pixels = 70_000**2
        assert Scores(pixels, 0, pixels, 0).dice == pytest.approx(2 / 3)

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match=r"must have one shape, got \(5, 7\) and \(7, 5\)"):
            score_mask(HALF, HALF.T)


class TestSet:
    @given(masks=st.lists(pairs, min_size=1, max_size=6), groups=st.lists(st.integers(0, 3), min_size=6), seed=seeds)
    def test_against_the_slow_way(self, masks, groups, seed):
        """Means, medians and worst by the standard library, the pooled IoU by all pixels in one row, intervals by hand."""
        scores, groups = [score_mask(*pair) for pair in masks], groups[: len(masks)]
        summary = summarise_scores(scores, resamples=50, seed=seed, groups=groups)
        for name in NAMES:
            values = [slow_score(name, *pair) for pair in masks]
            part = summary[name]
            assert part["mean"] == pytest.approx(statistics.fmean(values))
            assert part["median"] == pytest.approx(statistics.median(values))
            assert part["worst"] == pytest.approx(min(values))
            assert (part["interval_95"] is None) is (len(set(groups)) < 3)
            if part["interval_95"] is not None:
                low, high = part["interval_95"]
                assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
        rows = [np.concatenate([pair[side].ravel() for pair in masks]) for side in (0, 1)]
        assert summary["pooled_iou"] == pytest.approx(slow_score("iou", *rows))

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
        known = [Scores(1, 1, 1, 1, surface_dice=value) for value in (0.2, 0.4, 0.9)]
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


def test_a_row_of_the_table_has_the_surface_dice_only_where_it_was_measured():
    from livecell_monai.metrics import tabulate_scores

    row = tabulate_scores("a", Scores(3, 1, 2, 4))
    assert list(row) == ["image", "iou", "dice", "accuracy", "precision", "recall", "tp", "fp", "fn", "tn"]
    assert (row["image"], row["iou"], row["tn"]) == ("a", 0.5, 4)
    assert tabulate_scores("a", Scores(3, 1, 2, 4, 0.25))["surface_dice"] == 0.25
