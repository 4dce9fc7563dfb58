from dataclasses import replace

import numpy as np
import pytest

from livecell_monai.metrics import measure_scores, score_mask, segment_by_otsu, tabulate_scores
from livecell_monai.report import cases as module
from livecell_monai.report.cases import read_cases, summarise_cases, take_cases
from tests.support.page_facts import predicted, predicted_cells


def test_images_are_sorted_worst_first_and_without_truth_last():
    images = [predicted("b", shift=2), predicted("new", labelled=False), predicted("c", shift=9), predicted("a", shift=2)]
    cases, found = take_cases(iter(images), 4, 0.0)
    assert [case.name for case in cases] == ["c", "a", "b", "new"]
    assert cases[0].scores == measure_scores(images[2].mask, images[2].truth)
    assert cases[0].baseline == score_mask(segment_by_otsu(images[2].image), images[2].truth)
    assert (cases[-1].scores, cases[-1].baseline) == (None, None)
    assert list(found.probabilities) == ["test"]
    assert len(found.probabilities["test"].counts) == 3
    assert (list(found.errors), found.spreads) == ([], {})  # cells are not known


class TestCells:
    def test_images_are_sorted_by_ap50_and_those_without_ids_come_after_them(self):
        # the IoU of "by pixels" is the lowest, but it is another score
        images = [predicted("by pixels", shift=20), predicted_cells("good", shift=0), predicted_cells("bad", shift=4)]
        cases, _ = take_cases([*images, predicted("new", labelled=False)], 4, 0.0)
        assert [case.name for case in cases] == ["bad", "good", "by pixels", "new"]
        ap50 = [case.scores.get("ap50") for case in cases[:3]]
        assert ap50[0] < ap50[1]
        assert ap50[2] is None
        assert cases[2].scores.iou < min(case.scores.iou for case in cases[:2])

    def test_scores_are_those_of_an_evaluation(self):
        image = predicted_cells()
        (case,), found = take_cases([image], 1, 0.0)
        assert case.scores == measure_scores(image.mask, image.truth, cells=(image.cells, image.true_cells))
        assert {error.image for error in found.errors} == {"a"}
        assert len(found.spreads["test"].of("true")["area"]) == case.scores.cells.true_cells

    def test_unlabelled_cells_count_nowhere(self):
        image = predicted_cells()
        labelled = np.ones(image.mask.shape, bool)
        labelled[:, 130:] = False
        partly = replace(image, labelled=labelled)
        (case,), found = take_cases([partly], 1, 0.0)
        cells = (image.cells, image.true_cells)
        assert case.scores == measure_scores(image.mask, image.truth, labelled, cells=cells)
        assert len(found.spreads["test"].of("true")["area"]) == case.scores.cells.true_cells < 40
        assert max(error.place.left for error in found.errors) < 130

    def test_a_summary_has_their_counts_or_says_why_not(self):
        cases, _ = take_cases([predicted_cells(), predicted("strip", "validation")], 2, 0.0)
        test, validation = summarise_cases(cases)
        assert (test["cells"].true_cells, test["cells_not_scored"]) == (40, None)
        assert test["scores"]["ap50"]["mean"] == cases[0].scores.get("ap50")
        assert (validation["cells"], validation["cells_not_scored"]) == (None, "1 of 1 labels do not tell cells apart")

    def test_the_table_of_a_bundle_has_them_too(self):
        (case,), _ = take_cases([predicted_cells(role="validation")], 1, 0.0)
        text = {name: str(value) for name, value in tabulate_scores("a", case.scores).items()}
        (again,) = read_cases([text])
        assert again.scores.cells == case.scores.cells


def test_images_are_taken_one_at_a_time():
    alive = []

    def come():
        for number in range(3):
            alive.append(number)
            yield predicted(str(number))

    waiting = come()
    cases, _ = take_cases(waiting, 3, 0.0)
    assert (len(cases), alive) == (3, [0, 1, 2])
    assert not any(isinstance(value, np.ndarray) for case in cases for value in vars(case).values())


def test_the_width_of_the_baseline_follows_the_cells():
    small, large = (take_cases([predicted()], 1, diameter)[0][0].baseline for diameter in (10.0, 200.0))
    assert small.iou > large.iou


def test_images_above_the_limit_have_no_picture(monkeypatch):
    monkeypatch.setattr(module, "MOST_PICTURES", 2)
    cases, _ = take_cases([predicted(str(number), seed=number) for number in range(4)], 4, 0.0)
    assert sum(case.layers is not None for case in cases) == 2
    assert all(case.scores for case in cases)


def test_scores_are_read_back_from_the_table():
    image = predicted("a, b", shift=5)
    scores = score_mask(image.mask, image.truth)
    text = {name: str(value) for name, value in tabulate_scores(image.name, scores).items()}
    (case,) = read_cases([text])
    assert (case.name, case.role, case.scores, case.layers) == ("a, b", "validation", scores, None)


class TestSummary:
    def test_has_a_row_for_each_role(self):
        images = [predicted("v", "validation", 2), *(predicted(str(n), shift=n, seed=n) for n in range(3))]
        cases, _ = take_cases([*images, predicted("new", labelled=False)], 5, 0.0)
        test, validation = summarise_cases(cases)
        assert (test["role"], test["scores"]["images"]) == ("test", 3)
        assert (validation["role"], validation["scores"]["images"]) == ("validation", 1)
        ious = [score_mask(image.mask, image.truth).iou for image in images[1:]]
        mean, (low, high) = test["scores"]["iou"]["mean"], test["scores"]["iou"]["interval_95"]
        assert mean == pytest.approx(np.mean(ious))
        assert low < mean < high
        assert validation["scores"]["iou"]["interval_95"] is None
        assert 0 < test["baseline"]["mean"] < 1

    def test_has_no_baseline_if_an_image_has_none(self):
        image = predicted()
        cases = read_cases([tabulate_scores("a", score_mask(image.mask, image.truth))])
        assert summarise_cases(cases)[0]["baseline"] is None

    def test_is_empty_without_images(self):
        assert summarise_cases([]) == []


def test_what_is_not_annotated_counts_in_no_score_and_no_threshold():
    image = predicted_cells()
    labelled = np.ones(image.mask.shape, bool)
    labelled[:, labelled.shape[1] // 2 :] = False
    part = replace(image, labelled=labelled)
    (case,), found = take_cases([part], 1, 0.0)
    (_, whole), _ = take_cases([image, image], 2, 0.0)
    assert found.is_hatched
    assert not take_cases([image], 1, 0.0)[1].is_hatched
    assert case.scores == measure_scores(image.mask, image.truth, labelled, cells=(image.cells, image.true_cells))
    assert case.scores != whole.scores
    assert found.probabilities["test"].counts[0].sum() == labelled.sum()
    assert case.baseline.tp + case.baseline.fp + case.baseline.fn + case.baseline.tn == labelled.sum()
