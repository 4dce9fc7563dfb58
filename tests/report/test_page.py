import csv
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from livecell_monai.errors import DataError
from livecell_monai.metrics import find_metric, list_metrics, measure_scores, score_mask, summarise_scores, tabulate_scores
from livecell_monai.metrics.cells import match_cells
from livecell_monai.report.page import write_figures, write_page
from livecell_monai.sample import SamplePrediction
from tests.support.page_facts import HISTORY, NASTY, TRAINING, page_facts, predicted, predicted_cells, sides

VOID = {"meta", "img", "input", "br"}


class Reader(HTMLParser):
    """Tags with their attributes and the visible text of a page; every tag must be closed by its own."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def read_figures(page):
    """The numbers of the boxes at the top, by their words, without intervals."""
    text = page.text
    return {name: float(value) for name, value in re.findall(r"(validation IoU|pixel accuracy) (0\.\d{3})", text)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, page_facts())
    return read(path)


class TestPage:
    def test_has_every_part(self, page):
        parts = [section["id"] for section in page.all("section")]
        images = ["test", "validation", "unlabelled"]
        assert parts == ["scores", *images, "curves", "threshold", "split", "samples", "limits", "settings", "provenance"]
        assert [link["href"] for link in page.all("a")] == [f"#{part}" for part in parts]

    def test_loads_nothing_from_outside(self, page):
        (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert all(image["src"].startswith("data:image/") for image in page.all("img"))
        assert not page.all("link")
        assert all("src" not in script for script in page.all("script"))

    def test_every_picture_has_an_alternative_text(self, page):
        pictures = [image for image in page.all("img") if image.get("class") != "overlay"]
        assert len(pictures) == 4 + 2 + 1 + 2  # images, figures, split, samples
        assert all(image["alt"] for image in pictures)

    def test_shows_the_worst_image_first(self, page, tmp_path):
        path = tmp_path / "report.html"
        names = [case.name for case in write_page(path, page_facts())[0]]
        assert names == ["bad", "strip", "good", "new"]
        shown = [box["aria-label"].rpartition(" ")[2] for box in page.all("input") if box.get("class") == "toggle"]
        assert shown[:4] == ["bad", "good", "strip", "new"]  # by gallery

    def test_shows_scores(self, page):
        image = predicted("bad", shift=9, seed=1)
        scores = measure_scores(image.mask, image.truth)
        ratios = " ".join(f"{scores.of(metric):.4f}" for metric in list_metrics() if metric.from_cells is None)
        assert f"bad test {ratios}" in page.text
        assert "mean of 2 test" in page.text
        assert "mean of 1 validation" in page.text

    def test_shows_settings_versions_and_hashes(self, page):
        for words in ("lr 0.002", "filters [16, 32]", "torch 2.13.0", f"the weights {'c' * 64}", f"image/a.tif {'a' * 64}"):
            assert words in page.text
        assert "scale: 1.0 # because" in page.text

    def test_shows_the_limits_of_the_scores(self, page):
        for words in (
            "They come from few images.",
            "one microscope and one annotator",
            "The strips are parts of the images.",
        ):
            assert words in page.text
        assert "chosen by the validation score" not in page.text

    def test_warns_if_the_start_has_seen_what_is_validated(self, tmp_path):
        write_page(tmp_path / "report.html", page_facts(training={**TRAINING, "seen_by_start": ["a", "b"]}))
        assert "It was trained on 2 of the validation images" in read(tmp_path / "report.html").text

    def test_warns_of_a_leaking_split_and_of_other_data(self, page, tmp_path):
        assert "warning" not in [p.get("class") for p in page.all("p")]
        facts = page_facts(training={**TRAINING, "leaks": True}, warnings=["Other data."])
        write_page(tmp_path / "report.html", facts)
        loud = read(tmp_path / "report.html")
        assert [p.get("role") for p in loud.all("p") if p.get("class") == "warning"] == ["alert", "alert"]
        assert "The split leaks." in loud.text
        assert "Other data." in loud.text

    def test_warns_of_a_result_that_is_of_no_use(self, tmp_path):
        write_page(tmp_path / "report.html", page_facts(training={**TRAINING, "validation": {"iou": 0.2, "accuracy": 0.5}}))
        loud = read(tmp_path / "report.html")
        assert [p.get("role") for p in loud.all("p") if p.get("class") == "warning"] == ["alert"]
        assert "On the validation images, this result is not usable: at IoU 0.200" in loud.text

    def test_states_that_the_epoch_was_chosen(self, tmp_path):
        write_page(tmp_path / "report.html", page_facts(settings={"checkpoint_selection": "best"}))
        assert "chosen by the validation score" in read(tmp_path / "report.html").text


@pytest.fixture(scope="module")
def cell_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "report.html"
    images = [predicted_cells(f"plate {seed}", seed=seed, shift=seed) for seed in range(3)]
    write_page(path, page_facts(predictions=[*images, predicted("strip", "validation")], expected=4))
    return read(path)


class TestCells:
    def test_has_their_parts_before_the_pixels(self, cell_page):
        parts = [section["id"] for section in cell_page.all("section")]
        assert parts[:6] == ["cells", "scores", "test", "validation", "errors", "spread"]
        assert [link["href"] for link in cell_page.all("a")] == [f"#{part}" for part in parts]

    def test_shows_scores_with_intervals_and_pooled(self, cell_page):
        images = [predicted_cells(seed=seed, shift=seed) for seed in range(3)]
        scores = [measure_scores(one.mask, one.truth, cells=(one.cells, one.true_cells)) for one in images]
        summary = summarise_scores(scores)
        for name, label in (("ap50", "AP50"), ("pq", "PQ"), ("count_error", "count error")):
            (low, high), (first, last) = summary[name]["interval_95"], summary[f"pooled_{name}_interval_95"]
            mean, rest = f"{summary[name]['mean']:.3f}", f"{summary[name]['median']:.3f} {summary[name]['worst']:.3f}"
            pooled = f"{summary[f'pooled_{name}']:.3f} ({first:.3f} .. {last:.3f})"
            assert f"{label} {mean} ({low:.3f} .. {high:.3f}) {rest} {pooled}" in cell_page.text
        for label in ("AP75", "mean AP", "F1 of cells", "SEG", "AJI"):
            assert label in cell_page.text

    def test_counts_what_became_of_them(self, cell_page):
        assert "Test: 120 true cells" in cell_page.text
        counts = [
            match_cells(one.cells, one.true_cells).counts for one in map(predicted_cells, "abc", ["test"] * 3, range(3))
        ]
        assert counts[0].merged  # the pictures show every kind
        assert all(word in cell_page.text for word in ("right", "merged", "split", "missed", "invented"))

    def test_the_part_without_ids_says_that_it_is_not_scored(self, cell_page):
        assert "Cells of the validation images were not scored: 1 of 1 labels do not tell cells apart." in cell_page.text

    def test_binary_labels_get_one_sentence_and_no_part(self, tmp_path):
        write_page(tmp_path / "report.html", page_facts())
        page = read(tmp_path / "report.html")
        assert not {"cells", "errors", "spread"} & {section["id"] for section in page.all("section")}
        assert "Cells of the test images were not scored: 2 of 2 labels do not tell cells apart." in page.text
        assert "AP50" not in page.text

    def test_an_error_has_image_kind_size_and_place(self, cell_page):
        assert re.search(r"merged , [\d,]+ px plate \d row \d+, column \d+", cell_page.text)
        assert len([box for box in cell_page.all("input") if ", invented" in box.get("aria-label", "")]) <= 6

    @pytest.mark.slow
    def test_crowded_images_keep_the_page_small(self, tmp_path):
        draw = np.random.default_rng(0)
        image = predicted_cells()
        truth = np.kron(np.arange(1, 2501).reshape(50, 50), np.ones((20, 20), int))
        found = np.where(draw.uniform(size=truth.shape) < 0.9, np.roll(truth, 7, axis=1), 0)
        noise = draw.normal(size=truth.shape).astype(np.float32)
        crowd = replace(
            image, image=noise, probability=noise, mask=found > 0, truth=truth > 0, cells=found, true_cells=truth
        )
        write_page(tmp_path / "report.html", page_facts(predictions=[crowd] * 3, expected=100))
        assert 200_000 < (tmp_path / "report.html").stat().st_size < 1_500_000


def test_names_with_markup_stay_text(tmp_path):
    path = tmp_path / "report.html"
    training = TRAINING | {"files_sha256": {NASTY: "a" * 64}, "computed_on": NASTY, "validated_on": NASTY}
    names = {"title": NASTY, "split": NASTY, "limit": NASTY, "plan": NASTY, "warnings": [NASTY], "notes": [NASTY]}
    tables = {"settings": {NASTY: NASTY}, "versions": {NASTY: NASTY}}
    images = [predicted(NASTY), predicted(NASTY, "validation"), predicted(NASTY, labelled=False)]
    write_page(path, page_facts(training=training, sides=[sides(NASTY)], predictions=images, **names, **tables))
    page = read(path)
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert page.text.count(" ".join(NASTY.split())) >= 20
    (title,) = re.findall("<title>(.*)</title>", path.read_text(encoding="utf-8"))
    assert "<" not in title


def test_page_without_images_shows_the_scores_of_the_training(tmp_path):
    image = predicted("strip", shift=4)
    row = tabulate_scores("strip", score_mask(image.mask, image.truth))
    facts = page_facts(predictions=(), sides=(), samples=None, plan="", rows=[row], notes=["No images."])
    assert write_page(tmp_path / "report.html", facts)[0] == []
    page = read(tmp_path / "report.html")
    assert [part["id"] for part in page.all("section")] == ["scores", "curves", "limits", "settings", "provenance"]
    assert f"strip validation {row['iou']:.4f}" in page.text
    assert "by Otsu" not in page.text
    assert "No images." in page.text


def test_page_without_history_and_images(tmp_path):
    write_page(tmp_path / "report.html", page_facts(predictions=(), sides=(), samples=None, history=()))
    assert read(tmp_path / "report.html").all("section")[0]["id"] == "limits"


def test_failure_keeps_the_earlier_page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("earlier")

    def fail():
        yield predicted()
        raise DataError("an image cannot be read")

    with pytest.raises(DataError):
        write_page(path, page_facts(predictions=fail()))
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "earlier"


@pytest.mark.slow
def test_24_test_images_of_1024_keep_below_5_megabytes(tmp_path):
    """Noise in every pixel compresses worse than any camera image."""
    kept = predicted("a", shape=(1024, 1024))
    noise = np.random.default_rng(0).uniform(size=kept.image.shape)

    def come():
        for number in range(24):
            yield SamplePrediction(f"image {number}", "test", noise, kept.probability, kept.mask, kept.truth)

    path = tmp_path / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("livecell_monai.report.cases.segment_by_otsu", lambda image, diameter: image > image.mean())
        write_page(
            path, page_facts(predictions=come(), expected=24, sides=[sides(str(n)) for n in range(12)], history=HISTORY)
        )
    assert 500_000 < path.stat().st_size < 5_000_000


def facts(**changes):
    whole = vars(page_facts(**changes))
    return {name: value for name, value in whole.items() if name != "predictions"}


def test_a_training_leaves_curves_validation_images_scores_and_a_page(tmp_path):
    images = [predicted("b <i>", "validation", 3), predicted("a", "validation", 9, seed=1), predicted("new", labelled=False)]
    summary = write_figures(tmp_path, predictions=iter(images), **facts())
    assert (summary["role"], summary["scores"]["images"], summary["cells"]) == ("validation", 2, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "report.html", "scores.csv", "validation.png"]
    with Image.open(tmp_path / "validation.png") as picture:
        assert picture.width > 2 * 112  # image and overlay side by side
        assert picture.height > 2 * 96  # of both images that have a truth
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "b &lt;i&gt;" in page
    assert "<b>new</b>" in page

    with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = ["image", "iou", "dice", "accuracy", "precision", "recall", "surface_dice", "tp", "fp", "fn", "tn"]
    assert [list(row) for row in rows] == [columns, columns]
    assert [row["image"] for row in rows] == ["a", "b <i>"]
    scores = score_mask(images[1].mask, images[1].truth)
    assert float(rows[0]["iou"]) == pytest.approx(scores.iou)
    assert [int(rows[0][count]) for count in ("tp", "fp", "fn", "tn")] == [scores.tp, scores.fp, scores.fn, scores.tn]


def test_the_box_and_the_table_have_the_same_number(page):
    strip = predicted("strip", "validation", 4, seed=2)
    scores = score_mask(strip.mask, strip.truth)
    assert read_figures(page) == {
        "validation IoU": round(scores.iou, 3),
        "pixel accuracy": round(scores.of(find_metric("accuracy")), 3),
    }
    # that of the training, at the working size, is another one
    assert round(scores.iou, 3) != TRAINING["validation"]["iou"]


def test_without_validation_images_the_box_has_that_of_the_training(tmp_path):
    write_page(tmp_path / "report.html", page_facts(predictions=[predicted("good", shift=1)], expected=1))
    assert read_figures(read(tmp_path / "report.html")) == {"validation IoU": 0.7, "pixel accuracy": 0.9}


def test_words_are_explained(page):
    for word in ("IoU: the pixels that", "Otsu's threshold only separates", "An epoch is", "Calibration: of the pixels"):
        assert word in page.text
