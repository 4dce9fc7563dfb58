"""The page of a comparison, parsed as HTML, also with markup in the names of runs."""

import csv
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments.compared_run import ComparedRun
from livecell_monai.experiments.comparison import ComparedScore, Comparison
from livecell_monai.metrics import PairedDifference
from livecell_monai.report.comparison import build_notes, build_tables, check_output_files, render_page, write_comparison
from tests.support.logged_runs import some_scores

NASTY = "<img src=x onerror=alert(1)>&\"'</td></table><script>alert(1)</script>"
FIRST = ComparedRun("first", "FINISHED", id="1" * 32, images=some_scores(0.5, 0.6, 0.7), settings={"lr": "0.1"})
OTHER = ComparedRun(NASTY, "FINISHED", id="2" * 32, images=some_scores(0.6, 0.6, 0.9), settings={"lr": "<b>0.2</b>"})
GAIN = PairedDifference(3, 0.1, (0.0, 0.2), 2, 0, 1)
SIDES = Comparison(
    [OTHER, FIRST], "iou", FIRST, [(0.6, 0.9), (0.5, 0.7)], [GAIN, None], ["lr"], [f"{NASTY} is of other data"]
)
LIST = Comparison([OTHER, FIRST], "iou", None, [None, None], [None, None], ["lr"], [])
VOID = {"meta", "img", "link", "br", "input"}


class Page(HTMLParser):
    """Tags, tables as text and warnings of a page; fails if a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.tables, self.warnings, self.open = set(), [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if ("class", "warning") in attrs:
            self.warnings.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] in (["td"], ["th"]):
            self.tables[-1][-1][-1] += data
        if self.open[-1:] == ["p"] and self.warnings:
            self.warnings[-1] += data


CELLS = replace(SIDES, cells=[ComparedScore("ap50", [0.5, 0.4], [(0.4, 0.6), None], [GAIN, None])])


@pytest.mark.parametrize("comparison", [SIDES, LIST, CELLS], ids=["sides", "list", "cells"])
class TestPage:
    def test_shows_the_tables_of_the_terminal(self, comparison):
        expected = [[list(table.header), *map(list, table.rows)] for table in build_tables(comparison)]
        assert Page(render_page(comparison)).tables == expected

    def test_a_name_with_markup_in_it_stays_text(self, comparison):
        text = render_page(comparison)
        page = Page(text)
        assert any(NASTY in cell for table in page.tables for row in table for cell in row)
        assert {"script", "img", "b"}.isdisjoint(page.tags)
        assert "<script" not in text

    def test_nothing_is_fetched(self, comparison):
        page = Page(render_page(comparison))
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        assert ("meta", "content", policy) in page.attributes
        assert {"src", "href", "style", "onclick"}.isdisjoint(name for _, name, _ in page.attributes)
        assert {"link", "script", "iframe", "object"}.isdisjoint(page.tags)


def test_warnings_are_above_the_tables_and_notes_below():
    text = render_page(SIDES)
    (warning,) = Page(text).warnings[:1]
    assert warning.startswith(f"Warning: {NASTY} is of other data")
    assert text.index('class="warning"') < text.index("<table>")
    assert all(note in text for note in build_notes(SIDES))
    assert build_notes(SIDES)


class TestWrite:
    def test_both_files(self, tmp_path):
        write_comparison(SIDES, tmp_path / "a.csv", tmp_path / "a.html")
        with open(tmp_path / "a.csv", encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["run"] for row in rows] == [NASTY, "first"]
        assert rows[0]["difference"] == "0.1"
        assert (tmp_path / "a.html").read_text(encoding="utf-8") == render_page(SIDES)

    def test_no_file_without_a_path(self, tmp_path):
        write_comparison(SIDES)
        assert not list(tmp_path.iterdir())

    def test_failed_write_leaves_no_file(self, tmp_path, monkeypatch):
        from pathlib import Path

        def fail(self, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(DataError, match=r"a\.html: cannot be written \(No space left on device\)"):
            write_comparison(SIDES, html=tmp_path / "a.html")
        assert not list(tmp_path.iterdir())


class TestCheckOutputFiles:
    def test_accepts_new_files_and_existing_ones_with_overwrite(self, tmp_path):
        (tmp_path / "a.csv").write_text("mine")
        check_output_files([tmp_path / "b.csv", tmp_path / "b.html"], overwrite=False)
        check_output_files([tmp_path / "a.csv"], overwrite=True)
        check_output_files([], overwrite=False)

    @pytest.mark.parametrize(
        ("names", "overwrite", "words"),
        [
            (["b.csv", "a.csv"], False, r"a\.csv: already exists"),
            (["none/b.csv"], True, r"b\.csv: expected a file name in an existing folder"),
            (["folder"], True, r"folder: expected a file name in an existing folder"),
            (["b", "./b"], False, "--csv and --html must be two files"),
        ],
    )
    def test_rejects_other_files(self, tmp_path, names, overwrite, words):
        (tmp_path / "a.csv").write_text("mine")
        (tmp_path / "folder").mkdir()
        with pytest.raises(SettingError, match=words):
            check_output_files([tmp_path / name for name in names], overwrite)


def test_title_of_a_list_and_of_a_comparison():
    assert "<title>Runs of livecell</title>" in render_page(LIST)
    assert "<title>2 runs of livecell side by side</title>" in render_page(replace(SIDES, warnings=[]))
