"""What a cross-validation says of the bundles that it leaves."""

import pytest
from markdown_it import MarkdownIt

from livecell_monai.metrics import Scores, summarise_scores
from livecell_monai.report.study_card import render_study

SCORES = [
    Scores(50, 10, 20, 100, {"surface_dice": 0.8}),
    Scores(70, 5, 5, 90, {"surface_dice": 0.9}),
    Scores(20, 10, 0, 200, {"surface_dice": 0.4}),
]
SUMMARY = {**summarise_scores(SCORES), "cells": 45, "folds": 3, "worst_image": "b", "surface_tolerance_px": 2.0}


@pytest.mark.parametrize("kind", ["ensemble", "refit"])
def test_says_what_the_scores_are_of(kind):
    text = render_study(kind, "cells", SUMMARY)
    assert "3 images,\n45 cells, 3 folds" in text
    assert "has none" in text
    assert "within 2 pixels" in text
    iou = SUMMARY["iou"]
    low, high = iou["interval_95"]
    assert f"| IoU | {iou['mean']:.3f} | {low:.3f} .. {high:.3f} | {iou['median']:.3f} | {iou['worst']:.3f} |" in text
    assert f"| IoU, pooled | {SUMMARY['pooled_iou']:.3f} |" in text
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<tr>") == 1 + 7  # a head; five scores by pixel, the surface, the pooled IoU


def test_an_ensemble_has_a_whole_card_and_a_refit_a_section():
    assert render_study("ensemble", "cells", SUMMARY).startswith("# Ensemble of 3 U-Nets trained on cells\n")
    assert "livecell predict . IMAGES" in render_study("ensemble", "cells", SUMMARY)
    assert render_study("refit", "cells", SUMMARY).startswith("## Scores by cross-validation\n")


def test_a_name_with_markup_stays_text():
    assert "<b>" not in MarkdownIt("commonmark").render(render_study("ensemble", "<b>cells</b>", SUMMARY))


def test_no_interval_where_there_is_none():
    summary = {**SUMMARY, **summarise_scores(SCORES[:2])}
    assert f"| IoU | {summary['iou']['mean']:.3f} |  |" in render_study("refit", "cells", summary)
