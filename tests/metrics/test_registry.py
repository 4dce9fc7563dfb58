"""The registry of metrics: what an entry must say, and that one more is found everywhere that scores are shown."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from livecell_monai import plugins
from livecell_monai.cli import app
from livecell_monai.cli.tables import show_summary
from livecell_monai.errors import SettingError
from livecell_monai.experiments.comparison import compare_runs
from livecell_monai.metrics import Metric, find_metric, label_of, list_metrics
from livecell_monai.metrics.registry import BUILT_IN, GROUP
from livecell_monai.prediction.score_writer import ScoreWriter
from livecell_monai.report.page import write_page
from livecell_monai.report.templates import render_study
from tests.support.page_facts import page_facts
from tests.support.worlds import some_cells

TRUTH = some_cells(seed=9) > 0


@pytest.mark.parametrize("metric", list_metrics(), ids=lambda metric: metric.name)
def test_every_entry_is_complete(metric):
    assert re.fullmatch("[a-z][a-z_0-9]*", metric.name)
    assert metric.label
    assert re.fullmatch(r"[A-Z].*\.", metric.description)
    assert sum(part is not None for part in (metric.measure, metric.from_counts, metric.from_cells)) == 1
    assert metric.measure is None or not metric.is_pooled
    assert metric.least < metric.most


def test_by_name():
    assert [metric.name for metric in list_metrics()] == list(BUILT_IN)
    assert find_metric("iou").label == label_of("iou") == "IoU"
    assert find_metric("nothing_like_it") is None
    assert label_of("nothing_like_it") == "nothing_like_it"


@pytest.fixture
def missed(monkeypatch):
    """A metric that the package does not have: foreground that was missed, of all labelled pixels."""

    def measure(mask, truth, weight, settings):
        return float((truth & ~mask).mean())

    entry = Metric("missed_area", "missed area", "Fraction of pixels that are missed.", measure, higher_is_better=False)
    monkeypatch.setitem(BUILT_IN, entry.name, entry)
    return entry


def score(folder, shifts):
    """`scores.csv` and `scores.json` as an evaluation writes them, of masks that are moved."""
    writer = ScoreWriter(str(folder))
    writer.start()
    for number, shift in enumerate(shifts):
        mask = np.roll(TRUTH, shift, axis=1)
        planes = {key: torch.as_tensor(plane)[None] for key, plane in (("pred", mask), ("label", TRUTH), ("maps", mask))}
        writer.rows.append(writer.take({"name": f"image {number}", "label": planes["label"]}, planes, 0.0)())
    writer.finish()
    return writer


class TestOneMore:
    """A metric that is registered is found in tables, pages, cards and comparisons; nothing else was changed."""

    def test_scores_and_console(self, missed, tmp_path, capsys):
        writer = score(tmp_path, (1, 2, 5))
        with open(tmp_path / "scores.csv", encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        values = [float((TRUTH & ~np.roll(TRUTH, shift, axis=1)).mean()) for shift in (1, 2, 5)]
        assert [float(row["missed_area"]) for row in rows] == values
        part = json.loads((tmp_path / "scores.json").read_text())["missed_area"]
        assert (part["mean"], part["worst"]) == (pytest.approx(np.mean(values)), max(values))
        show_summary(writer.summary)
        assert f"missed area   {np.mean(values):.3f}" in capsys.readouterr().out

    def test_page_and_card(self, missed, tmp_path):
        write_page(tmp_path / "report.html", page_facts())
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert f'title="{missed.description}"><button type="button">missed area</button>' in text
        summary = {**score(tmp_path, (1, 2, 5)).summary, "folds": 3, "cells": 15}
        assert "| missed area |" in render_study("refit", "cells", summary)

    def test_comparison_ranks_by_it_and_lower_is_better(self, missed, tmp_path):
        score(tmp_path / "far", (4, 5, 6))
        score(tmp_path / "near", (1, 2, 3))
        found = compare_runs([str(tmp_path / "far"), str(tmp_path / "near")], metric="missed_area")
        assert [run.name for run in found.runs] == [str(tmp_path / "near"), str(tmp_path / "far")]
        difference = found.differences[0]
        assert difference.mean < 0
        assert (difference.better, difference.worse) == (3, 0)
        given = ["compare", str(tmp_path / "far"), str(tmp_path / "near"), "--metric", "missed_area"]
        assert "missed area by image, mean" in CliRunner().invoke(app, given).output


class TestEntryPoints:
    @pytest.fixture(autouse=True)
    def fresh(self):
        plugins.load_plugins.cache_clear()
        yield
        plugins.load_plugins.cache_clear()

    def test_another_package_adds_one(self, monkeypatch):
        entry = Metric("theirs", "theirs", "Always 1.", lambda *_: 1.0)
        monkeypatch.setattr(
            plugins, "entry_points", lambda group: {f"livecell_monai.{GROUP}": [Point("theirs", entry)]}.get(group, [])
        )
        assert list_metrics()[-1] is entry
        assert len(list_metrics()) == len(BUILT_IN) + 1

    def test_one_that_cannot_be_imported_is_named(self, monkeypatch):
        monkeypatch.setattr(plugins, "entry_points", lambda group: [Point("theirs", ImportError("no module named gone"))])
        with pytest.raises(
            SettingError,
            match=r"their-package: 'theirs' of livecell_monai.metrics cannot be loaded \(no module named gone\); update",
        ):
            list_metrics()


class Point:
    """An entry point of another package."""

    value = "theirs:entry"
    dist = type("Dist", (), {"name": "their-package"})

    def __init__(self, name, loaded):
        self.name, self.loaded = name, loaded

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded
