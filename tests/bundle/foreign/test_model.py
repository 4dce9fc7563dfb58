"""What the configs need of a model of another tool."""

import logging

import numpy as np
import pytest

from livecell_monai.bundle.foreign.model import ForeignModel, check_given, make_sample
from livecell_monai.bundle.open import open_bundle
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.prediction.segmenter import open_segmenter
from tests.support.foreign_models import (
    describe_04,
    describe_05,
    draw_cells,
    make_model,
    of_foreground,
    write_image,
    write_package,
)

SCALE = ["{id: scale_range, kwargs: {axes: [y, x]}}"]
WEIGHTS = make_model([of_foreground()])
PAIR = make_model([of_foreground(), (0.0, -4.0)])


def package(path, weights=WEIGHTS, **options):
    return write_package(path, weights, describe_05(weights, **{"steps": SCALE, **options}))


class TestParts:
    def test_of_a_package_as_zip_and_as_folder(self, tmp_path):
        for path, file in ((tmp_path / "a.zip", "a.zip"), (tmp_path / "b", "weights.onnx")):
            model = ForeignModel(package(path), None, 40.0)
            assert (model.checkpoint.name, model.channels, model.multiple) == (file, ("foreground",), 16)
            assert model.title.startswith("Tiny model 1.2.0 (")
            assert [str(role) for role in model.network.roles] == ["foreground in logits"]
            assert len(model.preprocess().steps) == 1

    def test_of_a_bare_model(self, tmp_path):
        (tmp_path / "a.onnx").write_bytes(WEIGHTS)
        model = ForeignModel(tmp_path / "a.onnx", None, 40.0)
        assert (model.checkpoint, model.channels, model.multiple) == (tmp_path / "a.onnx", ("foreground",), 32)
        assert model.preprocess().steps == ()

    def test_the_weights_must_be_those_of_the_description(self, tmp_path):
        write_package(tmp_path / "a.zip", PAIR, describe_05(WEIGHTS))
        with pytest.raises(
            BundleError, match=r"a.zip: weights.onnx must have the SHA-256 of the description \(\w{12}\.\.\.\), got"
        ):
            _ = ForeignModel(tmp_path / "a.zip", None, 40.0).network
        text = describe_05(WEIGHTS)
        sha256 = text.split("sha256: ")[1][:64]
        write_package(
            tmp_path / "b.zip", PAIR, text.replace(f", sha256: {sha256}", "").replace("[foreground]", "[fg, edge]")
        )
        assert ForeignModel(tmp_path / "b.zip", None, 40.0).channels == ("foreground", "distance")  # none is stated

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (
                None,
                r"the outputs \(channel0, channel1\) must have a foreground or a background, found none; say what each .*",
            ),
            (["foreground"], r"must have an entry for each of the 2 channels of .* \(channel0, channel1\), got 1"),
            (["border", "distance"], r"must have a foreground or a background, found none"),
        ],
    )
    def test_channels_must_be_known(self, tmp_path, given, words):
        path = package(tmp_path / "a.zip", PAIR, channels=("channel0", "channel1"))
        with pytest.raises(SettingError, match=words):
            _ = ForeignModel(path, given, 40.0).network
        assert ForeignModel(path, ["foreground", "border"], 40.0).channels == ("foreground", "distance")

    @pytest.mark.parametrize(
        ("size", "window", "expected"),
        [
            ({"min": 32, "step": 16}, "auto", ("auto", 16)),
            ({"min": 30, "step": 7}, [64, 64], ([64, 64], 21)),
            ({"min": 32, "step": 1}, "auto", ("auto", 16)),
            (256, "auto", ([256, 256], 256)),
            (256, [512, 32], ([256, 256], 256)),
        ],
    )
    def test_windows(self, tmp_path, size, window, expected):
        model = ForeignModel(package(tmp_path / "a.zip", size=size), None, 40.0)
        assert (model.choose_window(window), model.multiple) == expected

    def test_says_what_the_outputs_are_taken_for(self, tmp_path, caplog):
        path = package(tmp_path / "a.zip", PAIR, channels=("nuclei", "nuclei edge"))
        with caplog.at_level(logging.WARNING):
            ForeignModel(path, None, 40.0).announce()
        (line,) = caplog.messages
        assert "note: of the model Tiny model 1.2.0" in line
        assert "nuclei is foreground in logits, nuclei edge is border in logits; if that is wrong, set model_outputs" in line

    def test_says_nothing_where_names_say_it(self, tmp_path, caplog):
        path = package(tmp_path / "a.zip", PAIR, channels=("foreground", "border"))
        with caplog.at_level(logging.WARNING):
            ForeignModel(path, ["foreground:probability", "border:probability"], 40.0).announce()
        assert not caplog.messages


@pytest.mark.parametrize("name", ["filters", "maps", "normalise", "percentiles", "backend"])
def test_settings_of_bundles_do_not_apply(tmp_path, name):
    with pytest.raises(SettingError, match=f"setting {name} must be left out with .*, which has its own"):
        check_given(tmp_path, {"threshold": 0.4, name: 3})


def test_onnx_models_run_on_the_cpu(tmp_path):
    check_given(tmp_path, {"accelerator": "cpu-fp32"})
    with pytest.raises(SettingError, match=r"setting accelerator must be auto or cpu with .*, got 'cuda:1'"):
        check_given(tmp_path, {"accelerator": "cuda:1"})


def test_the_sample_has_cells():
    sample = make_sample((64, 48))
    assert (sample.shape, sample.dtype) == ((64, 48), np.float32)
    assert 0 <= sample.min() < 30 < 150 < sample.max() <= 255
    np.testing.assert_array_equal(sample, make_sample((64, 48)))


class TestOpened:
    @pytest.mark.parametrize("configs", [["inference"], ["inference", "evaluate"]])
    def test_has_all_properties_of_a_bundle(self, tmp_path, configs):
        write_image(tmp_path / "images")
        paths = {"dataset_dir": str(tmp_path / "images"), "output_dir": str(tmp_path / "out")}
        if "evaluate" in configs:
            write_image(tmp_path / "data" / "test" / "images")
            write_image(tmp_path / "data" / "test" / "labels", pixels=(draw_cells() > 100).astype(np.uint8))
            paths["dataset_dir"] = str(tmp_path / "data")
        opened = open_bundle(package(tmp_path / "a.zip"), configs, paths=paths)
        opened.workflow.init_id = "nothing"
        opened.workflow.initialize()
        assert opened.workflow.check_properties() == []
        assert (opened.multiple, opened.checkpoint) == (16, tmp_path / "a.zip")

    @pytest.mark.parametrize(
        "form", ["new.zip", "old.zip", "folder", "bare.onnx", "last.zip", "fixed.zip", "last_axis.zip", "turned.zip"]
    )
    def test_gives_the_mask_of_its_model(self, tmp_path, form):
        path = tmp_path / form
        if form == "bare.onnx":
            path.write_bytes(make_model([of_foreground(0.1, 115.0)]))
        elif form == "old.zip":
            steps = ["{name: scale_range, kwargs: {mode: per_sample, axes: xy}}"]
            write_package(path, WEIGHTS, describe_04(WEIGHTS, steps=steps))
        elif form == "fixed.zip":
            weights = make_model([of_foreground()], input_shape=(1, 1, 64, 64))
            package(path, weights, size=64, halo=16)
        elif form == "turned.zip":
            weights = make_model([of_foreground()], input_shape=(1, "x", "y", 1), axes="byxc")
            steps = ["{name: scale_range, kwargs: {mode: per_sample, axes: xyc}}"]
            write_package(path, weights, describe_04(weights, steps=steps, axes="bxyc"))
        elif form == "last_axis.zip":
            package(path, make_model([of_foreground()], input_shape=(1, "y", "x", 1), axes="byxc"), axes="byxc")
        else:
            package(path, **({"after": ["{id: sigmoid}"], "halo": 4} if form == "last.zip" else {}))
        mask = open_segmenter(path)(draw_cells())
        np.testing.assert_array_equal(mask, draw_cells() > 100)
        assert mask.cells.max() == 3  # the necks of the mask separate the cells that touch

    def test_a_border_separates_cells_that_a_mask_joins(self, tmp_path):
        picture = np.full((60, 80), 30, np.uint8)
        picture[10:50, 10:70] = 200
        picture[10:50, 39:41] = 150  # between two squares, of which the mask has no neck
        weights = make_model([of_foreground(30, 0.3), (-60.0, 50.0)])  # the border: below 0.83
        path = package(tmp_path / "a.zip", weights, channels=("cells", "no name"))
        counts = {}
        for second in ("ignore", "border"):
            mask = open_segmenter(path, {"model_outputs": ["foreground", second]})(picture)
            np.testing.assert_array_equal(mask, picture > 100)
            counts[second] = mask.cells.max()
        assert counts == {"ignore": 1, "border": 2}
