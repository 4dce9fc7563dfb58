import re
from html import unescape

import pytest
from jinja2 import UndefinedError
from markdown_it import MarkdownIt

from livecell_monai.metrics import Scores, summarise_scores
from livecell_monai.report.cases import summarise_cases, take_cases
from livecell_monai.report.templates import escape, format_code, render, render_card, render_study
from tests.support.page_facts import predicted, predicted_cells

FACTS = {
    "name": "livecell",
    "version": "0.1.0",
    "created": "2025-06-01",
    "images": [("set05", "ab" * 32, 1022, 1024, 45, 0.083), ("set15", "cd" * 32, 1022, 1024, None, 0.1)],
    "split": "one region of each image is kept for validation",
    "leaking": False,
    "seen": 0,
    "measured_on": "the regions, on their original grid",
    "limit": "The regions are parts of the *training* images.",
    "epochs_run": 60,
    "kept_epoch": 48,
    "is_chosen": True,
    "seconds": 725.4,
    "device": "cpu",
    "validation": {"IoU": 0.8123, "accuracy": 0.953, "loss": float("nan")},
    "settings": {"batch_size": 16, "patch": [256, 256], "device": "$torch.device('cpu')"},
    "weights_sha256": "ef" * 32,
    "versions": {"livecell-monai": "0.1.0", "torch": "2.10.0+cpu"},
    "seed": 7,
    "start": None,
    "resumed": 0,
    "changes": (),
    "separates": False,
    "cells": None,
}
NASTY = [
    "a|b",
    "<script>alert(1)</script>",
    "`code`",
    "line\nbreak | cell",
    "line\r\n\r\n# heading",
    "[a](http://b)",
    "![a](b)",
    "_a_",
    "__a__",
    "*a*",
    "&lt;b&gt;",
    "\\|",
    "~~a~~",
    "$x$",
    "line\u2028break",
]


def read(card):
    """Tags and visible text of a card as a reader of GitHub's Markdown shows them; code font counts as no tag."""
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(card)
    html = re.sub("</?code>", "", html)
    return re.findall("<[^>]*>", html), unescape(re.sub("<[^>]*>", "", html))


@pytest.mark.parametrize("leaking", [True, False])
def test_card_warns_if_and_only_if_the_split_leaks(leaking):
    card = render_card(**FACTS | {"leaking": leaking})
    assert ("**WARNING" in card) is leaking


@pytest.mark.parametrize("seen", [0, 2])
def test_card_warns_if_and_only_if_the_start_has_seen_what_is_validated(seen):
    card = render_card(**FACTS | {"seen": seen})
    assert ("**WARNING: the start was trained on 2 of the validation images" in card) is bool(seen)


@pytest.mark.parametrize("iou", [0.1, 0.8])
def test_card_says_if_and_only_if_the_result_is_of_no_use(iou):
    card = render_card(**FACTS | {"leaking": False, "validation": {"iou": iou}})
    assert ("**WARNING: this result is not usable: at IoU 0.100" in card) is (iou < 1 / 3)


@pytest.mark.parametrize("start", ["auto", "start"])
def test_card_names_the_shipped_start(start):
    assert "the start that livecell-monai ships" in render_card(**FACTS | {"leaking": False, "start": (start, "ab" * 32)})


def test_warning_comes_before_the_scores():
    card = render_card(**FACTS | {"leaking": True})
    assert card.index("WARNING") < card.index("0.8123")


@pytest.mark.parametrize(
    "part",
    [
        "# livecell 0.1.0",
        "2025-06-01",
        "| `set05` | 1022 x 1024 | 45 | 8.3 % |",
        "| `set15` | 1022 x 1024 | not counted | 10.0 % |",
        "60 epochs in 12 min 5 s on cpu",
        "epoch 48",
        FACTS["split"],
        "| IoU | 0.8123 |",
        "| loss | undefined |",
        "| `batch_size` | `16` |",
        "| `patch` | `[256, 256]` |",
        "ab" * 32,
        "ef" * 32,
        "| torch | `2.10.0+cpu` |",
        "Seed: 7.",
        "livecell predict . IMAGES --output DIR",
        "python -m monai.bundle run inferring --config_file configs/inference.yaml",
        "livecell evaluate",
        "Apache License 2.0",
        "not for\ndiagnostic use",
    ],
)
def test_card_states(part):
    assert part in render_card(**FACTS)


def test_order_of_the_sections():
    headings = re.findall(r"^#+ (.+)$", render_card(**FACTS), flags=re.MULTILINE)
    assert headings == [
        "livecell 0.1.0",
        "What it was trained on",
        "How it was validated",
        "Scores",
        "What the numbers do not say",
        "How to use",
        "Settings",
        "Provenance",
        "Licence and intended use",
    ]


@pytest.mark.parametrize(("seconds", "words"), [(48.2, "48 s"), (59.7, "1 min 0 s"), (7500, "2 h 5 min")])
def test_duration_in_words(seconds, words):
    assert f"epochs in {words} on" in render_card(**FACTS | {"seconds": seconds})


@pytest.mark.parametrize("text", NASTY)
def test_markup_in_a_name_stays_text(text):
    nasty = FACTS | {
        "name": text,
        "split": text,
        "device": text,
        "images": [(text, text, 10, 10, 1, 0.5), *FACTS["images"][1:]],
        "settings": {text: text, "patch": [256, 256], "device": "cpu"},
        "validation": {text: 0.5, "accuracy": 0.9, "loss": 1.0},
        "versions": {text: text, "torch": "2"},
        "weights_sha256": text,
    }
    tags, shown = read(render_card(**nasty))
    assert tags == read(render_card(**FACTS))[0]
    assert shown.count(" ".join(text.split())) == 12  # each place that was given the text above


class TestCells:
    def of(self, *images):
        cases, _ = take_cases(images, len(images), 0.0)
        return summarise_cases(cases)[0]

    def test_card_states_their_scores_beside_iou(self):
        summary = self.of(*(predicted_cells(str(seed), "validation", seed) for seed in range(3)))
        card = render_card(**FACTS | {"cells": summary})
        ap50, (low, high), cells = summary["scores"]["ap50"], summary["scores"]["ap50"]["interval_95"], summary["cells"]
        assert (
            f"| AP50 | {ap50['mean']:.3f} | {low:.3f} .. {high:.3f} | {ap50['median']:.3f} | {ap50['worst']:.3f} |" in card
        )
        assert f"| PQ, pooled | {summary['scores']['pooled_pq']:.3f} |" in card
        assert f"Cells, by their instance ids: 120 true and {cells.predicted_cells} predicted ones in 3 images." in card
        assert f"{cells.merged} merged, {cells.split} split and {cells.missed} missed; {cells.invented} of the" in card
        assert card.index("| IoU | 0.8123 |") < card.index("| AP50 |") < card.index("## What the numbers do not say")
        assert "| Dice |" not in card  # scores of pixels are those of the kept epoch
        assert "They count pixels, not cells" not in card

    def test_card_says_that_binary_labels_are_not_scored(self):
        card = render_card(**FACTS | {"cells": self.of(predicted("a"), predicted("b"))})
        assert "Cells were not scored: 2 of 2 labels do not tell cells apart." in card
        assert "AP50" not in card
        assert "They count pixels, not cells" in card

    def test_card_claims_nothing_before_they_are_scored(self):
        assert "Cells were not scored" not in render_card(**FACTS)

    @pytest.mark.parametrize(("separates", "words"), [(True, "It tells"), (False, "It does not tell")])
    def test_card_says_whether_touching_cells_are_separated(self, separates, words):
        assert f"{words} touching cells apart." in render_card(**FACTS | {"separates": separates})


def test_card_states_what_was_scored_and_the_limit_of_the_split():
    _, text = read(render_card(**FACTS))
    assert "measured on the regions, on their original grid." in text
    assert "The regions are parts of the *training* images." in text


SCORES = [
    Scores(50, 10, 20, 100, {"surface_dice": 0.8}),
    Scores(70, 5, 5, 90, {"surface_dice": 0.9}),
    Scores(20, 10, 0, 200, {"surface_dice": 0.4}),
]
SUMMARY = {**summarise_scores(SCORES), "cells": 45, "folds": 3, "worst_image": "b", "surface_tolerance_px": 2.0}


@pytest.mark.parametrize("kind", ["ensemble", "refit"])
def test_study_card_states_the_scores(kind):
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


def test_name_with_markup_stays_text():
    assert "<b>" not in MarkdownIt("commonmark").render(render_study("ensemble", "<b>cells</b>", SUMMARY))


def test_missing_interval_is_left_empty():
    summary = {**SUMMARY, **summarise_scores(SCORES[:2])}
    assert f"| IoU | {summary['iou']['mean']:.3f} |  |" in render_study("refit", "cells", summary)


@pytest.mark.parametrize("text", ["set_05 (a-b).tif", "T98G", "10.5 µm"])
def test_harmless_text_is_left_readable(text):
    assert escape(text) == text


@pytest.mark.parametrize(("text", "code"), [("a_b", "`a_b`"), ("a`b", "a&#96;b"), ([1, 2], "`[1, 2]`"), ("a\nb", "`a b`")])
def test_code_font_only_for_harmless_text(text, code):
    assert format_code(text) == code


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="'kind' is undefined"):
        render("study_card.md.j2")


def test_includes_end_with_one_line_break():
    assert render("licence.md.j2").endswith("diagnostic use.\n")
