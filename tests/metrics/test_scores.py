"""Scores of one mask against scikit-learn, the rules for empty masks and unlabelled pixels, and the row of the table."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from monai.bundle import ConfigParser
from skimage.metrics import contingency_table
from sklearn import metrics

from livecell_monai.bundle.template import find_template
from livecell_monai.metrics import (
    Scores,
    list_metrics,
    measure_scores,
    measure_surface_dice,
    read_scores,
    score_mask,
    tabulate_scores,
)

NAMES = ("iou", "dice", "accuracy", "precision", "recall")
SLOW_AND_SURE = {
    "iou": metrics.jaccard_score,
    "dice": metrics.f1_score,
    "accuracy": metrics.accuracy_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}
EMPTY = np.zeros((5, 7), bool)
FULL = ~EMPTY
HALF = np.arange(35).reshape(5, 7) < 15
OTHER = np.arange(35).reshape(5, 7) >= 15


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


TRAINING = ConfigParser(ConfigParser.load_config_file(str(find_template() / "configs" / "train.yaml")))


def bundled_iou():
    """The metric that chooses the best epoch, as `train.yaml` has it."""
    config = {"metric": TRAINING["validate#key_metric#val_iou#metric_fn"]}
    return ConfigParser(config).get_parsed_content("metric")


class TestOneMask:
    @given(pair=pairs)
    def test_against_scikit_learn_and_scikit_image(self, pair):
        scores = score_mask(*pair)
        for name in NAMES:
            assert scores.get(name) == pytest.approx(slow_score(name, *pair), abs=1e-12), name
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
        for name, other in {"iou": "iou", "dice": "dice", "accuracy": "accuracy", "precision": "recall"}.items():
            assert (there.get(name), there.get(other)) == (back.get(other), back.get(name))
        assert there.get("iou") == there.iou <= there.get("dice") <= 1

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
        assert tuple(scores.get(name) for name in NAMES) == expected

    def test_a_large_image_does_not_overflow(self):
        pixels = 70_000**2
        assert Scores(pixels, 0, pixels, 0).get("dice") == pytest.approx(2 / 3)

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match=r"must have one shape, got \(5, 7\) and \(7, 5\)"):
            score_mask(HALF, HALF.T)

    @given(pair=pairs, seed=st.integers(0, 2**31))
    def test_pixels_of_weight_0_do_not_count(self, pair, seed):
        """As if they were not there: the scores of the other pixels alone, laid in one row."""
        weight = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], pair[0].shape)
        weight.flat[0] = 1.0
        rest = [plane[weight > 0][None] for plane in pair]
        assert score_mask(*pair, weight) == score_mask(*rest)

    def test_where_no_pixel_is_labelled_nothing_is_wrong(self):
        scores = score_mask(FULL, EMPTY, np.zeros(FULL.shape))
        assert {scores.get(name) for name in NAMES} == {1.0}

    def test_the_weight_has_the_shape_of_the_mask(self):
        with pytest.raises(ValueError, match=r"mask and weight must have one shape, got \(5, 7\) and \(7, 5\)"):
            score_mask(HALF, HALF, np.ones((7, 5)))


class TestAllScores:
    def test_every_metric_of_the_registry_is_there(self):
        scores = measure_scores(HALF, OTHER, cells=(HALF, OTHER))
        assert all(scores.get(metric.name) is not None for metric in list_metrics())
        assert scores.get("nothing") is None

    def test_the_tolerance_is_a_setting(self):
        moved = np.roll(HALF, 1, axis=0)
        found = [measure_scores(moved, HALF, settings={"surface_tolerance_px": px}).get("surface_dice") for px in (0.5, 2.0)]
        assert found == [measure_surface_dice(moved, HALF, px) for px in (0.5, 2.0)]
        assert found[0] < found[1]

    def test_the_weight_reaches_every_metric(self):
        wrong = HALF.copy()
        wrong[0] = False
        weight = np.ones(HALF.shape)
        assert measure_scores(wrong, HALF, weight, {"surface_tolerance_px": 0.5}).get("surface_dice") < 1
        weight[:2] = 0
        scores = measure_scores(wrong, HALF, weight, {"surface_tolerance_px": 0.5}, (wrong, HALF))
        best = {metric.name: 1.0 if metric.higher_is_better else 0.0 for metric in list_metrics()}
        assert {metric.name: scores.get(metric.name) for metric in list_metrics()} == best

    def test_scores_of_cells_need_cells(self):
        assert measure_scores(HALF, OTHER).get("ap50") is None


class TestTable:
    def test_a_row_has_the_surface_dice_only_where_it_was_measured(self):
        row = tabulate_scores("a", Scores(3, 1, 2, 4))
        assert list(row) == ["image", "iou", "dice", "accuracy", "precision", "recall", "tp", "fp", "fn", "tn"]
        assert (row["image"], row["iou"], row["tn"]) == ("a", 0.5, 4)
        assert tabulate_scores("a", Scores(3, 1, 2, 4, {"surface_dice": 0.25}))["surface_dice"] == 0.25

    @pytest.mark.parametrize("measured", [{}, {"surface_dice": 0.25}])
    def test_a_row_comes_back_from_its_text(self, measured):
        scores = Scores(3, 1, 2, 4, measured)
        text = {column: str(value) for column, value in tabulate_scores("a", scores).items()}
        assert read_scores(text) == read_scores({"surface_dice": "", **text}) == scores
