import numpy as np
import pytest

from livecell_monai.metrics import measure_scores, score_mask, segment_by_otsu, tabulate_scores
from livecell_monai.report import cases as module
from livecell_monai.report.cases import read_cases, summarise_cases, take_cases
from tests.support.page_facts import predicted


def test_images_are_sorted_worst_first_and_without_truth_last():
    images = [predicted("b", shift=2), predicted("new", labelled=False), predicted("c", shift=9), predicted("a", shift=2)]
    cases, spread = take_cases(iter(images), 4, 0.0)
    assert [case.name for case in cases] == ["c", "a", "b", "new"]
    assert cases[0].scores == measure_scores(images[2].mask, images[2].truth)
    assert cases[0].baseline == score_mask(segment_by_otsu(images[2].image), images[2].truth)
    assert (cases[-1].scores, cases[-1].baseline) == (None, None)
    assert list(spread) == ["test"]
    assert len(spread["test"].counts) == 3


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
