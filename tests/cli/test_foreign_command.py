"""Models of other tools on the command line: predicted with, scored, resumed, rejected."""

import csv
import json
import logging
import zipfile

import numpy as np
import pytest
import tifffile

from livecell_monai import predict
from livecell_monai.data.readers.kinds import read_plane
from tests.support.commands import livecell, refused
from tests.support.foreign_models import describe_05, draw_cells, make_model, of_foreground, write_image, write_package

QUIET = ("--set", "show_progress=false")
SCALE = ["{id: scale_range, kwargs: {axes: [y, x]}}"]
WEIGHTS = make_model([of_foreground()])
MASK = draw_cells() > 100


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def images(tmp_path):
    write_image(tmp_path / "images", "b.tif", draw_cells()[::-1])
    return write_image(tmp_path / "images", "a.tif").parent


@pytest.fixture
def package(tmp_path):
    return write_package(tmp_path / "model.zip", WEIGHTS, describe_05(WEIGHTS, steps=SCALE, halo=4))


def rows(folder):
    with open(folder / "summary.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_movie(path, frames):
    tifffile.imwrite(path, np.stack([draw_cells()] * frames), metadata={"axes": "TYX"}, ome=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestPredict:
    def test_writes_all_that_a_bundle_does_and_names_the_model(self, package, images, tmp_path, caplog):
        options = ("--overlay", "--probability", "--cells", "--export", "geojson")
        with caplog.at_level(logging.WARNING):
            outcome = livecell("predict", package, images, "-o", tmp_path / "out", *options, *QUIET)
        assert outcome.code == 0, outcome
        assert any("note: of the model Tiny model 1.2.0" in line for line in caplog.messages)
        expected = {"a.tif", "a_cells.tif", "a_overlay.png", "a_probability.tif", "a.geojson", "b.tif", "cells.csv"}
        assert expected <= set(names(tmp_path / "out"))
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.tif") > 0, MASK)
        found = rows(tmp_path / "out")
        assert [row["cells"] for row in found] == ["3", "3"]
        assert all(row["model"].startswith("Tiny model 1.2.0 (") for row in found)

    def test_resumes_and_replaces(self, package, images, tmp_path):
        call = ("predict", package, images, "-o", tmp_path / "out", *QUIET)
        assert livecell(*call).code == 0
        refused(livecell(*call), "exist")
        (tmp_path / "out" / "b.tif").unlink()
        assert livecell(*call, "--resume").code == 0
        assert names(tmp_path / "out") == ["a.tif", "b.tif", "summary.csv"]
        assert livecell(*call, "--overwrite").code == 0

    def test_a_bad_image_does_not_stop_the_others(self, package, images, tmp_path):
        (images / "bad.tif").write_bytes(b"II*\0no")
        outcome = livecell("predict", package, images, "-o", tmp_path / "out", *QUIET)
        assert outcome.code == 3
        assert names(tmp_path / "out") == ["a.tif", "b.tif", "summary.csv"]

    @pytest.mark.parametrize("window", ["auto", "[64,64]"])
    def test_windows_leave_no_trace(self, tmp_path, window):
        """An output that differs within the halo, where the model pads by zeros."""
        kernel = np.full((3, 3), 1 / 9)
        weights = make_model([(kernel * 40, -20.0)])
        path = write_package(tmp_path / "m.zip", weights, describe_05(weights, steps=SCALE, halo=4))
        picture = np.tile(draw_cells(), (2, 2))
        write_image(tmp_path / "images", "a.tif", picture)
        for name, each in (("whole", "[256,256]"), ("parts", window)):
            where = ("-o", tmp_path / name, "--set", f"window={each}", "--set", "window_memory=8")
            assert livecell("predict", path, tmp_path / "images", *where, *QUIET).code == 0
        both = [tifffile.imread(tmp_path / name / "a.tif") for name in ("whole", "parts")]
        np.testing.assert_array_equal(*both)

    @pytest.mark.parametrize("steps", [SCALE, ["{id: zero_mean_unit_variance}", "{id: scale_linear, kwargs: {gain: 0.5}}"]])
    def test_a_large_image_is_predicted_part_by_part(self, images, tmp_path, steps):
        weights = make_model([of_foreground(12, 0.5)])
        path = write_package(tmp_path / "m.zip", weights, describe_05(weights, steps=steps, halo=4))
        large = ("--set", "tiling_min_megapixels=0.001", "--set", "window=[64,64]", "--cells")
        outcome = livecell("predict", path, images / "a.tif", "-o", tmp_path / "out", *large, *QUIET)
        assert outcome.code == 0, outcome
        np.testing.assert_array_equal(read_plane(tmp_path / "out" / "a.ome.tif").pixels > 0, MASK)
        (row,) = rows(tmp_path / "out")
        assert (row["cells"], row["model"][:10]) == ("3", "Tiny model")

    def test_a_movie(self, package, tmp_path):
        write_movie(tmp_path / "movie.ome.tif", 3)
        outcome = livecell("predict", package, tmp_path / "movie.ome.tif", "-o", tmp_path / "out", *QUIET)
        assert outcome.code == 0, outcome
        assert tifffile.imread(tmp_path / "out" / "movie.ome.tif").shape == (3, *MASK.shape)

    @pytest.mark.parametrize("frames", [3, 1])
    def test_a_movie_is_tracked(self, package, tmp_path, frames):
        write_movie(tmp_path / "movie.ome.tif", frames)
        outcome = livecell("track", package, tmp_path / "movie.ome.tif", "-o", tmp_path / "out", "--no-mlflow")
        assert outcome.code == 0, outcome
        with open(tmp_path / "out" / "movie" / "tracks.csv", encoding="utf-8", newline="") as stream:
            assert {row["frame"] for row in csv.DictReader(stream)} == {str(frame) for frame in range(frames)}

    def test_a_bare_model_and_a_folder_from_python(self, images, tmp_path):
        (tmp_path / "a.onnx").write_bytes(make_model([of_foreground(0.1, 115.0)]))
        folder = write_package(tmp_path / "model", WEIGHTS, describe_05(WEIGHTS, steps=SCALE))
        for model in (tmp_path / "a.onnx", folder):
            (mask,) = predict(model, images / "a.tif")
            np.testing.assert_array_equal(mask, MASK)

    def test_what_channels_are_can_be_said(self, images, tmp_path):
        weights = make_model([(0.0, -9.0), of_foreground(), (-30.0, 9.0)])
        path = write_package(tmp_path / "m.zip", weights, describe_05(weights, ("one", "two", "three"), steps=SCALE))
        call = ("predict", path, images / "a.tif", "-o", tmp_path / "out", *QUIET)
        refused(
            livecell(*call),
            "the outputs (one, two, three) must have a foreground",
            "--set model_outputs=[foreground, border, ",
        )
        outcome = livecell(*call, "--set", "model_outputs=[ignore,foreground,border:logits]")
        assert outcome.code == 0, outcome
        assert "a_cells.tif" in names(tmp_path / "out")  # a border separates cells


def test_is_scored_on_annotated_images(package, tmp_path):
    for role, pixels in (("images", draw_cells()), ("labels", MASK.astype(np.uint8))):
        write_image(tmp_path / "data" / "test" / role, "a.tif", pixels)
    outcome = livecell("evaluate", package, tmp_path / "data", "-o", tmp_path / "scores", *QUIET)
    assert outcome.code == 0, outcome
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["iou"]["mean"] == 1.0


class TestRejects:
    """One line, exit code 2, nothing written."""

    def check(self, path, images, tmp_path, *words):
        refused(livecell("predict", path, images, "-o", tmp_path / "out", *QUIET), str(path), *words)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (("onnx: {", "pytorch_state_dict: {"), "weights must have onnx, it has only pytorch_state_dict"),
            (("source: weights", "source: other"), "the description names other.onnx, the package has none"),
            (("source: weights", "source: ../weights"), "must not lead out of it, got '../weights.onnx'"),
            (("sha256: ", "sha256: 0"), "must have the SHA-256 of the description"),
            (("{type: batch}, ", "{type: batch}, {type: space, id: z, size: 16}, "), "must be one plane, its axis z has 16"),
            (("[grey]", "[r, g, b]"), "must have one channel of grey values, it has 3"),
            (("scale_range", "my_own_step"), "the input raw has the step 'my_own_step', supported are"),
            (("[foreground]", "[foreground, border]"), "the output prediction must have the shape 1 x 2 x"),
        ],
    )
    def test_packages_that_cannot_be_run(self, images, tmp_path, change, words):
        text = describe_05(WEIGHTS, steps=SCALE)
        assert change[0] in text
        path = write_package(tmp_path / "m.zip", WEIGHTS, text.replace(change[0], change[1], 1))
        self.check(path, images, tmp_path, words)

    def test_zips_that_are_no_package(self, images, tmp_path):
        for name, content in (("a.zip", {"a.txt": b""}), ("b.zip", {"../rdf.yaml": b"", "rdf.yaml": b""})):
            with zipfile.ZipFile(tmp_path / name, "w") as file:
                for each, data in content.items():
                    file.writestr(each, data)
        self.check(tmp_path / "a.zip", images, tmp_path, "a zip must be a bioimage.io package with rdf.yaml, it has none")
        self.check(tmp_path / "b.zip", images, tmp_path, "the names in a package must not lead out of it")
        self.check(tmp_path / "none.zip", images, tmp_path, "there is no such file; correct the path")

    def test_a_zipped_bundle_is_still_to_be_unpacked(self, images, tmp_path):
        with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as file:
            file.writestr("model/configs/metadata.json", "{}")
        self.check(tmp_path / "bundle.zip", images, tmp_path, "a bundle must be a folder, this is a file; unpack it by")

    def test_a_damaged_onnx_file(self, images, tmp_path):
        (tmp_path / "a.onnx").write_bytes(b"no model")
        self.check(tmp_path / "a.onnx", images, tmp_path, "must be an ONNX model, it cannot be loaded")

    def test_settings_of_bundles(self, package, images, tmp_path):
        outcome = livecell("predict", package, images, "-o", tmp_path / "out", "--set", "normalise=false", *QUIET)
        refused(outcome, "setting normalise must be left out with")
