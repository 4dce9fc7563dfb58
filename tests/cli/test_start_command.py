"""The shipped start on the command line: predicted with, scored, shown and trained from."""

import csv
import json
import logging
import re
import shutil
from pathlib import Path

import pytest
import tifffile

from livecell_monai import Segmenter, predict
from livecell_monai.errors import SettingError
from livecell_monai.network.start import read_start
from livecell_monai.outputs.unfinished import UnfinishedRun
from livecell_monai.plan import plan_zero_shot
from livecell_monai.prediction import zero_shot
from livecell_monai.prediction.zero_shot import NOTE
from livecell_monai.training.start import read_bundle_as_start
from tests.support.commands import livecell, refused, small
from tests.support.starts import shipped

QUIET = ("--set", "show_progress=false")
TEXT = r"nothing was learned from these images; cells taken as (\S+) px across"


@pytest.fixture(autouse=True)
def shipping(separating, tmp_path, monkeypatch):
    """The installation ships the small network that separates cells; the working folder is empty."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with shipped(tmp_path / "shipped.safetensors", read_bundle_as_start(separating[1], "made").start) as path:
        yield path


@pytest.fixture
def images(separating):
    return separating[0] / "test" / "images"


def rows(folder):
    with open(folder / "summary.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class TestPredict:
    def test_needs_no_annotation_and_says_so(self, images, tmp_path, caplog):
        with caplog.at_level(logging.WARNING):
            outcome = livecell("predict", "start", images, "-o", tmp_path / "out", *QUIET)
        assert outcome.code == 0, outcome
        assert caplog.messages[0] == NOTE
        assert "estimated in 2 of 2 images" in caplog.messages[1]
        found = rows(tmp_path / "out")
        assert len(found) == 2
        assert all(re.fullmatch(TEXT, row["zero_shot"]) for row in found)
        assert {"test_00.tif", "test_00_cells.tif", "cells.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}

    @pytest.mark.parametrize("megapixels", [64, 0.001], ids=["small", "large"])
    def test_with_a_diameter_nothing_is_estimated(self, images, tmp_path, caplog, megapixels):
        more = ("--diameter", "12", "--set", f"tiling_min_megapixels={megapixels}")
        with caplog.at_level(logging.WARNING):
            outcome = livecell("predict", "start", images, "-o", tmp_path / "out", *more, *QUIET)
        assert outcome.code == 0, outcome
        assert [line for line in caplog.messages if "estimated" in line] == []
        assert [re.fullmatch(TEXT, row["zero_shot"])[1] for row in rows(tmp_path / "out")] == ["12", "12"]

    def test_the_diameter_sets_the_scale(self, images, tmp_path, shipping):
        """As the same scale and sizes given one by one."""
        given = plan_zero_shot(12.0, read_start(shipping).diameter)
        options = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
        livecell("predict", "start", images, "-o", tmp_path / "one", "--diameter", "12", *QUIET)
        livecell("predict", "start", images, "-o", tmp_path / "other", *options, *QUIET)
        for name in ("test_00.tif", "test_00_cells.tif"):
            one, other = (tifffile.imread(tmp_path / folder / name) for folder in ("one", "other"))
            assert (one == other).all()

    @pytest.mark.parametrize("megapixels", [64, pytest.param(0.001, marks=pytest.mark.slow)], ids=["small", "large"])
    def test_each_image_has_its_own_scale(self, images, tmp_path, megapixels):
        """The cells of each are those of a run with the diameter that its row names, in tables of large images too."""
        large = ("--set", f"tiling_min_megapixels={megapixels}")
        one, other = sorted(images.iterdir())
        (tmp_path / "mixed").mkdir()
        tifffile.imwrite(tmp_path / "mixed" / "a$b.tif", tifffile.imread(one))
        tifffile.imwrite(tmp_path / "mixed" / "twice.tif", tifffile.imread(other).repeat(2, 0).repeat(2, 1))
        assert livecell("predict", "start", tmp_path / "mixed", "-o", tmp_path / "out", *large, *QUIET).code == 0
        sizes = {row["image"]: re.fullmatch(TEXT, row["zero_shot"])[1] for row in rows(tmp_path / "out")}
        assert len(set(sizes.values())) == 2
        for name, size in sizes.items():
            path, folder = tmp_path / "mixed" / f"{name}.tif", tmp_path / f"{name} alone"
            assert livecell("predict", "start", path, "-o", folder, "--diameter", size, *large, *QUIET).code == 0
            end = "tif" if megapixels == 64 else "ome.tif"
            for file in (f"{name}.{end}", f"{name}_cells.{end}"):
                assert (tifffile.imread(tmp_path / "out" / file) == tifffile.imread(folder / file)).all()

    @pytest.mark.parametrize("bundle", ["start", "trained"])
    def test_own_settings_of_no_image_are_rejected_before_anything_is_measured(
        self, bundle, separating, images, tmp_path, caplog
    ):
        given = f'own_settings={{"{images}/test_00.tif": {{"scale": 0.5}}, "test_00.tif": {{"scale": 0.5}}}}'
        bundle = separating[1] if bundle == "trained" else bundle
        for megapixels in (64, 0.001):
            options = ("--set", given, "--set", f"tiling_min_megapixels={megapixels}")
            outcome = livecell("predict", bundle, images, "-o", tmp_path / "out", *options, *QUIET)
            message = "own_settings must name images of this run, such as {}/test_00.tif, got {}/test_00.tif; correct or"
            refused(outcome, message.format(images, tmp_path / "cwd"))
        assert not (tmp_path / "out").exists()
        assert caplog.messages == []

    def test_own_settings_of_a_large_image_are_its_own(self, separating, images, tmp_path):
        """As if they were given for all images."""
        one, large = images / "test_00.tif", ("--set", "tiling_min_megapixels=0.001", *QUIET)
        for name, given in (
            ("own", f'own_settings={{"{one}": {{"scale": 0.5}}}}'),
            ("all", "scale=0.5"),
            ("no", "scale=1.0"),
        ):
            assert livecell("predict", separating[1], one, "-o", tmp_path / name, "--set", given, *large).code == 0
        own, same, other = (tifffile.imread(tmp_path / name / "test_00.ome.tif") for name in ("own", "all", "no"))
        assert (own == same).all()
        assert (own != other).any()

    def test_an_interrupted_prediction_resumes(self, images, tmp_path, monkeypatch):
        """It keeps the sizes of cells that were found at first, and measures only images that were added since."""
        measured, sizes = [], {"test_00.tif": 10.0, "test_01.tif": 0.0, "new.tif": 30.0}
        monkeypatch.setattr(
            zero_shot, "_measure", lambda _, item, expected: measured.append(Path(item["image"]).name) or sizes[measured[-1]]
        )
        command = ("predict", "start", shutil.copytree(images, tmp_path / "in"), "-o", tmp_path / "out", *QUIET)
        with monkeypatch.context() as patch:
            patch.setattr(UnfinishedRun, "end", lambda run: None)
            assert livecell(*command).code == 0
            shutil.copy(images / "test_00.tif", tmp_path / "in" / "new.tif")
            assert livecell(*command, "--resume").code == 0
        (tmp_path / "in" / "test_01.tif").unlink()
        assert measured == ["test_00.tif", "test_01.tif", "new.tif"]
        refused(livecell(*command, "--resume", "--diameter", 10), "must resume with the same cell_diameter")
        refused(livecell(*command, "--resume", "--set", "threshold=0.4"), "must resume with the same threshold")
        outcome = livecell(*command, "--resume")
        assert outcome.code == 0, outcome
        assert len(measured) == 3
        assert not (tmp_path / "out" / ".unfinished").exists()
        assumed = {row["image"]: re.fullmatch(TEXT, row["zero_shot"])[1] for row in rows(tmp_path / "out")}
        assert assumed == {"test_00": "10", "new": "30"}

    def test_a_trained_bundle_has_no_diameter_and_no_note(self, separating, images, tmp_path, caplog):
        refused(
            livecell("predict", separating[1], images, "-o", tmp_path / "out", "--diameter", 12), "--diameter must be left"
        )
        assert not (tmp_path / "out").exists()
        assert livecell("predict", separating[1], images, "-o", tmp_path / "out", *QUIET).code == 0
        assert "zero_shot" not in rows(tmp_path / "out")[0]
        assert NOTE not in caplog.messages

    def test_results_of_an_earlier_run_are_kept_before_anything_is_estimated(self, images, tmp_path, caplog):
        assert livecell("predict", "start", images, "-o", tmp_path / "out", "--diameter", 12, *QUIET).code == 0
        caplog.clear()
        refused(livecell("predict", "start", images, "-o", tmp_path / "out", *QUIET), "already exists")
        assert caplog.messages == []

    def test_a_folder_of_this_name_comes_first(self, separating, images, tmp_path):
        (tmp_path / "cwd" / "start").mkdir()
        refused(livecell("predict", "start", images, "-o", tmp_path / "out"), "a bundle must have a folder configs/")

    def test_an_installation_without_a_start(self, images, tmp_path):
        with shipped(tmp_path / "none.safetensors"):
            refused(livecell("predict", "start", images, "-o", tmp_path / "out"), "ships no start")


def test_evaluate_scores_it(separating, tmp_path, caplog):
    outcome = livecell("evaluate", "start", separating[0], "-o", tmp_path / "scores", *QUIET)
    assert outcome.code == 0, outcome
    assert NOTE in caplog.messages
    assert 0 <= json.loads((tmp_path / "scores" / "scores.json").read_text())["iou"]["mean"] <= 1


@pytest.mark.parametrize(
    ("command", "called", "data"),
    [("evaluate", "tasks.evaluate", ""), ("track", "report.movie_cells.segment_movies", "test/images/*.tif")],
)
def test_other_commands_take_a_diameter_for_it_too(command, called, data, separating, tmp_path, monkeypatch):
    def stop(bundle, data, output, settings, *_):
        raise SettingError(f"called with {settings['cell_diameter']:g} px")

    monkeypatch.setattr(f"livecell_monai.{called}", stop)
    options = (separating[0] / data, "-o", tmp_path / "out", "--diameter", 12)
    outcome = livecell(command, "start", *options)
    assert (outcome.code, "called with 12 px" in outcome.err) == (2, True), outcome
    refused(livecell(command, separating[1], *options), "--diameter must be left out for")


def test_the_page_says_that_nothing_was_learned(separating, tmp_path):
    assert livecell("report", "start", "--data", separating[0], "-o", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert 'class="warning" role="alert">Nothing was learned from these images' in page
    assert "test_00" in page
    assert 'id="split"' not in page
    assert livecell("report", "start", "-o", tmp_path / "alone.html").code == 0
    assert "Nothing was learned" in (tmp_path / "alone.html").read_text()


def test_info_shows_what_it_has_seen(shipping, tmp_path):
    from livecell_monai.data.dataset.identity import hash_file

    outcome = livecell("info", "start")
    assert outcome.code == 0, outcome
    assert hash_file(shipping) in outcome.out
    assert "random numbers" in outcome.out
    with shipped(tmp_path / "none.safetensors"):
        refused(livecell("info", "start"), "ships no start")


class TestPython:
    def test_arrays_give_the_masks_of_the_files(self, images, tmp_path):
        arrays = [tifffile.imread(path) for path in sorted(images.iterdir())]
        masks = predict("start", arrays)
        livecell("predict", "start", images, "-o", tmp_path / "out", *QUIET)
        for path, mask in zip(sorted(images.iterdir()), masks, strict=True):
            assert ((tifffile.imread(tmp_path / "out" / path.name) > 0) == mask).all()

    def test_one_image_at_a_time(self, images):
        image = tifffile.imread(next(images.iterdir()))
        by_size, by_images = (Segmenter("start", *given) for given in (({"cell_diameter": 12.0},), (None, [image])))
        assert by_size(image).shape == by_images(image).shape == image.shape


class TestTrain:
    def train(self, data, output, *options, **settings):
        return livecell("train", data, "-o", output, *options, *small(**settings))

    def test_begins_from_it_or_not(self, folder, tmp_path, without_figures):
        outcome = self.train(folder, tmp_path / "auto", maps=["foreground", "distance"])
        assert outcome.code == 0, outcome
        assert "from the shipped start (SHA-256 " in outcome.out
        outcome = self.train(folder, tmp_path / "none", "--start", "none")
        assert "from random weights" in outcome.out

    def test_begins_from_a_bundle_of_ones_own(self, folder, separating, tmp_path, without_figures):
        given = ("--start", separating[1])
        outcome = self.train(folder, tmp_path / "mine", *given)
        assert f"from {separating[1]} (SHA-256 " in outcome.out
        training = json.loads((tmp_path / "mine" / "configs" / "metadata.json").read_text())["training"]
        kept = json.loads((separating[1] / "configs" / "metadata.json").read_text())["training"]
        assert training["start_sha256"] == kept["weights_sha256"]

    def test_a_bundle_that_does_not_fit_is_rejected(self, folder, separating, tmp_path):
        outcome = self.train(folder, tmp_path / "mine", "--start", separating[1], filters=[4, 16])
        refused(outcome, "setting start must be a start that fits the network", "filters is [4, 16]")
        assert not (tmp_path / "mine").exists()

    def test_the_plan_says_it(self, folder):
        outcome = livecell("plan", folder, *small())
        assert re.search(r'^start: "auto"  # weights of a network that has seen cells, SHA-256 ', outcome.out, re.MULTILINE)
        outcome = livecell("plan", folder, *small(filters=[4, 16], patch_size=[64, 64]))
        assert re.search(r'^start: "none"  # random weights, since .* filters is \[4, 16\]', outcome.out, re.MULTILINE)
