"""Train, evaluate and predict on a small world, from files to files."""

import csv
import json
import shutil

import numpy as np
import pytest
import tifffile
import torch

from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import BundleError, DataError, SettingError, find_user_error
from livecell_monai.metrics import score_mask
from livecell_monai.tasks import evaluate, predict, train
from tests.support.small_training import QUIET, SMALL, train_small
from tests.support.worlds import one_cell, some_cells, write_folder, write_sample

pytestmark = pytest.mark.usefixtures("without_figures")

MASK_SHAPE = (96, 112)


def tree(root):
    """Every path below a folder with its content."""
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def weights(bundle, name="model.pt"):
    return torch.load(bundle / "models" / name, weights_only=True)


def refused(kind, task, *arguments, **options):
    """The one line that the command line would print."""
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - MONAI wraps it, find_user_error looks behind
        task(*arguments, **options)
    error = find_user_error(refusal.value)
    assert type(error) is kind, refusal.value
    assert "\n" not in str(error)
    return str(error)


# at this rate the scores go up and down
SWINGING = {"epochs": 4, "lr": 3.0, "ema": 0.0, "lr_schedule": "step"}


@pytest.fixture(scope="module")
def swinging(tmp_path_factory):
    """Settings of a training whose last epoch is not the best; which seeds give one depends on the processor."""
    folder = write_folder(tmp_path_factory.mktemp("swinging") / "data")
    for seed in range(10):
        bundle = tmp_path_factory.mktemp("swinging") / "model"
        train_small(folder, bundle, **SWINGING, seed=seed)
        scores = [float(row["val_iou"]) for row in read_table(bundle / "docs" / "history.csv")]
        if scores[-1] < max(scores):
            return {**SWINGING, "seed": seed}
    pytest.fail("no seed of ten gives a training whose last epoch is not the best")


class TestTrain:
    def test_returns_the_metadata(self, trained, tmp_path):
        result = train_small(trained[0], tmp_path / "model", seed=3)
        metadata = json.loads((tmp_path / "model" / "configs" / "metadata.json").read_text())
        assert result == metadata["training"]
        assert result["seed"] == 3

    def test_learns(self, trained):
        rows = read_table(trained[1] / "docs" / "history.csv")
        assert float(rows[-1]["train_loss"]) < 0.8 * float(rows[0]["train_loss"])
        assert max(float(row["val_iou"]) for row in rows) > 0.6

    def test_learning_rate(self, trained):
        assert [float(row["lr"]) for row in read_table(trained[1] / "docs" / "history.csv")] == pytest.approx(
            [0.02, 0.02, 0.002, 0.002]
        )

    def test_model_is_the_best_epoch_and_last_the_last_one(self, folder, swinging, tmp_path):
        result = train_small(folder, tmp_path / "model", **swinging, keep_last_state=True)
        scores = [float(row["val_iou"]) for row in read_table(tmp_path / "model" / "docs" / "history.csv")]
        assert result["kept_epoch"] == 1 + scores.index(max(scores)) < 4
        assert result["validation"]["iou"] == pytest.approx(max(scores))
        last, kept = weights(tmp_path / "model", "last.pt")["model"], weights(tmp_path / "model")
        assert last.keys() == kept.keys()
        assert not any(torch.equal(last[name], kept[name]) for name in kept if name.endswith("running_mean"))

    @pytest.mark.parametrize("augmentation", ["patches", pytest.param("transforms", marks=pytest.mark.slow)])
    def test_the_seed_determines_the_weights(self, folder, tmp_path, augmentation):
        for name, seed in (("a", 5), ("b", 5), ("c", 6)):
            train_small(folder, tmp_path / name, seed=seed, augmentation=augmentation, dropout=0.3)
        assert (tmp_path / "a/docs/history.csv").read_bytes() == (tmp_path / "b/docs/history.csv").read_bytes()
        assert (tmp_path / "a/docs/history.csv").read_bytes() != (tmp_path / "c/docs/history.csv").read_bytes()
        first, again, other = (weights(tmp_path / name) for name in "abc")
        assert all(torch.equal(value, again[name]) for name, value in first.items())
        assert not all(torch.equal(value, other[name]) for name, value in first.items())

    def test_keeps_the_last_epoch(self, folder, swinging, tmp_path):
        result = train_small(folder, tmp_path / "model", **swinging, checkpoint_selection="last", keep_last_state=True)
        scores = [float(row["val_iou"]) for row in read_table(tmp_path / "model" / "docs" / "history.csv")]
        assert scores[-1] < max(scores)
        assert result["kept_epoch"] == 4
        assert result["validation"]["iou"] == pytest.approx(scores[-1])
        last, kept = weights(tmp_path / "model", "last.pt")["model"], weights(tmp_path / "model")
        assert all(torch.equal(value, kept[name]) for name, value in last.items())
        card = (tmp_path / "model" / "docs" / "README.md").read_text()
        assert "epoch 4, the last." in card
        assert "was chosen by the validation score" not in card

    def test_stops_early(self, folder, tmp_path):
        result = train_small(folder, tmp_path / "model", epochs=20, patience=1, lr=1e-30, ema=0.0)
        assert result["epochs_run"] < 20
        assert len(read_table(tmp_path / "model" / "docs" / "history.csv")) == result["epochs_run"]

    def test_does_not_stop_early_with_checkpoint_selection_last(self, folder, tmp_path):
        result = train_small(
            folder, tmp_path / "model", epochs=5, patience=1, lr=1e-30, ema=0.0, checkpoint_selection="last"
        )
        assert (result["epochs_run"], result["kept_epoch"]) == (5, 5)

    @pytest.mark.parametrize(
        ("loss", "split"), [("bce", "images"), ("dice_bce", "region"), ("focal", "original"), ("bce", "none")]
    )
    def test_every_loss_and_split(self, folder, tmp_path, loss, split):
        result = train_small(folder, tmp_path / "model", loss=loss, split=split, epochs=1)
        assert (result["split"], result["leaks"]) == (split, split in ("original", "none"))
        assert all(np.isfinite(value) for value in result["validation"].values())
        card = (tmp_path / "model" / "docs" / "README.md").read_text(encoding="utf-8")
        assert ("WARNING: validation" in card) is (split in ("original", "none"))

    def test_a_datalist_with_its_own_split(self, folder, tmp_path):
        """Both sides may have images of one name, in two folders: each is hashed and described on its own."""

        def entry(root, name):
            return {kind: str(root / "train" / f"{kind}s" / f"{name}.tif") for kind in ("image", "label")}

        other = write_folder(tmp_path / "other", train=1, seed=40)
        lists = {
            "training": [entry(folder, "train_00"), entry(folder, "train_01")],
            "validation": [entry(other, "train_00")],
        }
        (tmp_path / "list.json").write_text(json.dumps(lists))
        result = train_small(tmp_path / "list.json", tmp_path / "model", epochs=1)
        assert (result["split"], result["leaks"]) == ("given", False)
        assert len(result["files_sha256"]) == 6

    @pytest.mark.parametrize(
        "settings", [{"down": "strided", "residual": False, "stem_stride": 1, "dropout": 0}, {"scale": [64, 80]}]
    )
    def test_other_networks_and_scales(self, folder, tmp_path, settings):
        train_small(folder, tmp_path / "model", epochs=1, **settings)
        result = predict(tmp_path / "model", [folder / "test" / "images"], tmp_path / "out", QUIET)
        assert len(result.rows) == 2
        assert tifffile.imread(tmp_path / "out" / "test_00.tif").shape == MASK_SHAPE

    def test_the_original_recipe(self, folder, tmp_path):
        # its network is made too small to be of use and its images stay at 256 x 256, as it has them
        small = {"filters": [4, 8, 8, 8, 8], "samples_per_epoch": 8, "epochs": 1, "track": False, **QUIET}
        result = train(folder, tmp_path / "model", settings=small, recipe="original")
        assert (result["split"], result["leaks"]) == ("original", True)
        config = (tmp_path / "model" / "configs" / "inference.yaml").read_text()
        assert "scale: [256, 256]" in config
        assert "stem_stride: 1" in config

    def test_smoke(self, folder, tmp_path):
        result = train(folder, tmp_path / "model", ["smoke"], {"track": False, "samples_per_epoch": 8, **QUIET})
        assert result["epochs_run"] == 2

    def test_borders_change_the_loss(self, bordered, tmp_path):
        losses = {}
        for use in (True, False):
            train_small(bordered, tmp_path / str(use), use_borders=use)
            losses[use] = float(read_table(tmp_path / str(use) / "docs" / "history.csv")[0]["train_loss"])
        assert losses[True] > losses[False]  # the weights are 1 and more

    def test_held_out_pixels_do_not_change_the_weights(self, folder, tmp_path):
        """Other pixels in the held-out strip change the validation and not one bit of the weights."""
        for path in sorted((folder / "train" / "images").iterdir()):
            image = tifffile.imread(path)
            image[50, 50], image[50, 51] = 0, 65535  # the range that the image is scaled by stays within the training part
            tifffile.imwrite(path, image)
        train_small(folder, tmp_path / "a", epochs=2, keep_last_state=True)
        from livecell_monai.data.dataset.items import partition

        for sample in partition(folder).validation:
            image = tifffile.imread(sample.image)
            sample.region.crop(image)[...] = 30000
            tifffile.imwrite(sample.image, image)
        train_small(folder, tmp_path / "b", epochs=2, keep_last_state=True)
        one, two = (weights(tmp_path / name, "last.pt")["model"] for name in "ab")
        assert all(torch.equal(value, two[name]) for name, value in one.items())
        losses = [read_table(tmp_path / name / "docs" / "history.csv")[0]["val_loss"] for name in "ab"]
        assert losses[0] != losses[1]


def no_folder(folder):
    shutil.rmtree(folder)


def no_labels(folder):
    shutil.rmtree(folder / "train" / "labels")


def a_label_less(folder):
    (folder / "train" / "labels" / "train_01.tif").unlink()


def torn_image(folder):
    path = folder / "train" / "images" / "train_02.tif"
    path.write_bytes(path.read_bytes()[:1000])


def torn_border(folder):
    path = folder / "train" / "borders" / "train_02.tif"
    path.write_bytes(path.read_bytes()[:1000])


def label_without_background(folder):
    tifffile.imwrite(folder / "train" / "labels" / "train_01.tif", np.ones(MASK_SHAPE, np.uint16))


def label_of_another_size(folder):
    tifffile.imwrite(folder / "train" / "labels" / "train_01.tif", one_cell((50, 60)))


def colour_image(folder):
    tifffile.imwrite(folder / "train" / "images" / "train_01.tif", np.zeros((*MASK_SHAPE, 3), np.uint8))


SPOILERS = [
    *(no_folder, no_labels, a_label_less, torn_image, torn_border),
    *(label_without_background, label_of_another_size, colour_image),
]


class TestTrainRejects:
    """In one line, and with nothing written anywhere."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    @pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
    def test_bad_data(self, bordered, tmp_path, spoil):
        spoil(bordered)
        before = tree(tmp_path)
        refused(DataError, train_small, bordered, tmp_path / "new" / "model")
        assert tree(tmp_path) == before

    @pytest.mark.parametrize(
        "settings",
        [
            {"epochs": 0},
            {"lr_step": 2},
            {"lr_step": 0},
            {"split": "halves"},
            {"validation_fraction": 0.9},
            {"guard": -1},
            {"pos_weight": -1.0},
            {"pos_weight": "high"},
            {"loss": "tversky"},
            {"down": "avg"},
            {"filters": [4]},
            {"filters": []},
            {"dropout": 1.0},
            {"stem_stride": 3},
            {"convolutions": 0},
            {"accelerator": "gpu"},
            {"scale": -1.0},
            {"scale": "big"},
            {"window": [50, 50]},
            {"window": [64]},
            {"patch_size": [50, 50]},
            {"patch_size": [64]},
            {"window_batch": 0},
            {"overlap": 1.0},
            {"threshold": 3.0},
            {"seed": -1},
            {"seed": "auto"},
            {"batch_size": 0},
            {"samples_per_epoch": 0},
            {"workers": -1},
            {"patience": 0},
            {"zoom": [0.0, 1.0]},
            {"contrast_gamma": [1.0]},
            {"flip_probability": 2.0},
            {"lr": -1.0},
            {"lr_gamma": 0.0},
            {"epoch": 3},
            {"epochs": "three"},
            {"track": True, "tracking_uri": "./mlruns"},
        ],
        ids=lambda settings: "-".join(map(str, list(settings.items())[-1])),
    )
    def test_a_bad_setting(self, folder, tmp_path, settings):
        before = tree(tmp_path)
        name = list(settings)[-1]
        assert name in refused(SettingError, train_small, folder, tmp_path / "new" / "model", **settings)
        assert tree(tmp_path) == before

    def test_a_guard_that_leaves_nothing(self, folder, tmp_path):
        before = tree(tmp_path)
        refused(DataError, train_small, folder, tmp_path / "model", guard=500)
        assert tree(tmp_path) == before

    def test_an_unknown_overlay(self, folder, tmp_path):
        before = tree(tmp_path)
        assert "the template has evaluate" in refused(SettingError, train_small, folder, tmp_path / "model", "smok")
        assert tree(tmp_path) == before

    def test_an_occupied_folder(self, folder, tmp_path):
        before = tree(tmp_path)
        assert "must be empty or new" in refused(SettingError, train_small, folder, folder)
        assert "is a file" in refused(
            SettingError, train_small, folder, folder / "train" / "images" / "train_00.tif" / "model"
        )
        assert tree(tmp_path) == before


class TestPredict:
    @pytest.fixture
    def images(self, trained, tmp_path):
        """Three images of three sizes and pixel sizes, the middle one torn."""
        images = tmp_path / "images"
        for index, shape in enumerate([(96, 112), (60, 60), (131, 77)]):
            label = some_cells(shape, seed=50 + index)
            write_sample(tmp_path, f"cell_{index}", label, seed=index)
        shutil.move(tmp_path / "train" / "images", images)
        sizes = {0: {"resolution": (20000, 10000), "resolutionunit": "CENTIMETER"}, 2: {}}
        for index, resolution in sizes.items():
            path = images / f"cell_{index}.tif"
            tifffile.imwrite(path, tifffile.imread(path), **resolution)
        path = images / "cell_1.tif"
        path.write_bytes(path.read_bytes()[:500])
        return images

    def test_writes_masks_and_names_unreadable_images(self, trained, images, tmp_path):
        result = predict(trained[1], [images], tmp_path / "out", QUIET)
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"cell_0.tif", "cell_2.tif", "summary.csv"}
        assert list(result.failures) == [images / "cell_1.tif"]
        assert "cut off" in result.failures[images / "cell_1.tif"]
        assert [row["image"] for row in result.rows] == ["cell_0", "cell_2"]

    def test_masks_have_the_images_own_size_and_pixel_size(self, trained, images, tmp_path):
        predict(trained[1], [images], tmp_path / "out", QUIET)
        for name, shape, pixel_size in (("cell_0", (96, 112), (1.0, 0.5)), ("cell_2", (131, 77), None)):
            mask = read_plane(tmp_path / "out" / f"{name}.tif")
            assert (mask.pixels.shape, mask.pixels.dtype) == (shape, np.uint8)
            assert set(np.unique(mask.pixels)) == {0, 255}
            assert mask.pixel_size_um == (None if pixel_size is None else pytest.approx(pixel_size))

    def test_finds_the_cells(self, trained, tmp_path):
        data, bundle = trained
        predict(bundle, [data / "test" / "images"], tmp_path / "out", QUIET)
        truth = tifffile.imread(data / "test" / "labels" / "test_00.tif")
        assert score_mask(tifffile.imread(tmp_path / "out" / "test_00.tif"), truth).iou > 0.6

    def test_summary(self, trained, tmp_path):
        data, bundle = trained
        predict(bundle, [data / "test" / "images"], tmp_path / "out", QUIET)
        rows = read_table(tmp_path / "out" / "summary.csv")
        assert list(rows[0]) == ["image", "foreground_fraction", "seconds"]
        for row in rows:
            mask = tifffile.imread(tmp_path / "out" / f"{row['image']}.tif") > 0
            assert float(row["foreground_fraction"]) == pytest.approx(mask.mean(), abs=1e-6)

    @pytest.mark.parametrize("scale", [[64, 64], 0.5, [48, 200]])
    def test_another_scale_gives_masks_of_the_original_size(self, trained, images, tmp_path, scale):
        predict(trained[1], [images], tmp_path / "out", {**QUIET, "scale": scale})
        assert tifffile.imread(tmp_path / "out" / "cell_0.tif").shape == (96, 112)
        assert tifffile.imread(tmp_path / "out" / "cell_2.tif").shape == (131, 77)

    def test_probability_and_overlay(self, trained, tmp_path):
        data, bundle = trained
        settings = {**QUIET, "outputs": ["mask", "summary", "probability", "overlay"], "threshold": 0.7}
        predict(bundle, [data / "test" / "images" / "test_00.tif"], tmp_path, settings)
        names = {"test_00.tif", "test_00_probability.tif", "test_00_overlay.png", "summary.csv"}
        assert {path.name for path in tmp_path.iterdir()} == names
        probability = tifffile.imread(tmp_path / "test_00_probability.tif")
        assert probability.dtype == np.float32
        assert 0 <= probability.min() < 0.3 < 0.9 < probability.max() <= 1
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "test_00.tif") > 0, probability >= 0.7)

    def test_windows_agree_with_the_whole_image(self, trained, tmp_path):
        data, bundle = trained
        image = data / "test" / "images" / "test_00.tif"
        for name, window in (("small", [32, 32]), ("whole", [96, 112])):
            predict(bundle, [image], tmp_path / name, {**QUIET, "window": window, "overlap": 16})
        small, whole = (tifffile.imread(tmp_path / name / "test_00.tif") > 0 for name in ("small", "whole"))
        assert (small != whole).mean() < 0.02

    def test_the_same_image_gives_the_same_bytes(self, trained, tmp_path):
        data, bundle = trained
        for name in ("a", "b"):
            predict(bundle, [data / "test" / "images"], tmp_path / name, QUIET)
        assert (tmp_path / "a" / "test_00.tif").read_bytes() == (tmp_path / "b" / "test_00.tif").read_bytes()

    def test_the_bundle_may_be_moved(self, trained, tmp_path, monkeypatch):
        data, bundle = trained
        shutil.copytree(bundle, tmp_path / "moved")
        monkeypatch.chdir(tmp_path)
        predict("moved", [data / "test" / "images"], "out", QUIET)
        predict(bundle, [data / "test" / "images"], "out of the first", QUIET)
        assert (tmp_path / "out/test_00.tif").read_bytes() == (tmp_path / "out of the first/test_00.tif").read_bytes()

    def test_no_folder_for_only_unreadable_images(self, trained, images, tmp_path):
        result = predict(trained[1], [images / "cell_1.tif"], tmp_path / "out", QUIET)
        assert (result.rows, len(result.failures)) == ([], 1)
        assert not (tmp_path / "out").exists()

    def test_results_are_overwritten_only_on_request(self, trained, tmp_path):
        data, bundle = trained
        given = (bundle, [data / "test" / "images"], tmp_path / "out", QUIET)
        predict(*given)
        (tmp_path / "out" / "test_00.tif").write_bytes(b"old")
        assert "already exists" in refused(SettingError, predict, *given)
        assert (tmp_path / "out" / "test_00.tif").read_bytes() == b"old"
        predict(*given[:3], {**QUIET, "overwrite": True})
        assert tifffile.imread(tmp_path / "out" / "test_00.tif").shape == MASK_SHAPE

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_inputs_are_never_overwritten(self, trained, images, overwrite):
        before = tree(images)
        said = refused(SettingError, predict, trained[1], [images], images, {**QUIET, "overwrite": overwrite})
        assert "would overwrite an input" in said
        assert tree(images) == before

    @pytest.mark.parametrize(
        ("settings", "kind"),
        [
            ({"window": [50, 50]}, SettingError),
            ({"overlap": 1.0}, SettingError),
            ({"threshold": 1.5}, SettingError),
            ({"accelerator": "gpu"}, SettingError),
            ({"scale": 0}, SettingError),
            ({"filters": [4, 16]}, BundleError),
            ({"lr": 0.1}, SettingError),
        ],
        ids=str,
    )
    def test_errors_come_before_writing(self, trained, images, tmp_path, settings, kind):
        refused(kind, predict, trained[1], [images], tmp_path / "out", {**QUIET, **settings})
        assert not (tmp_path / "out").exists()

    def test_missing_inputs(self, trained, tmp_path):
        refused(DataError, predict, trained[1], [tmp_path / "nothing"], tmp_path / "out", QUIET)
        refused(BundleError, predict, tmp_path, [trained[0] / "test" / "images"], tmp_path / "out", QUIET)
        assert not (tmp_path / "out").exists()

    def test_an_untrained_bundle(self, trained, tmp_path):
        from livecell_monai.bundle.template import find_template

        images = [trained[0] / "test" / "images"]
        assert "train first" in refused(BundleError, predict, find_template(), images, tmp_path / "out", QUIET)


class TestEvaluate:
    def test_scores_are_those_of_predicted_masks(self, trained, tmp_path):
        data, bundle = trained
        evaluate(bundle, data, tmp_path / "scores", QUIET)
        predict(bundle, [data / "test" / "images"], tmp_path / "masks", QUIET)
        rows = read_table(tmp_path / "scores" / "scores.csv")
        assert [row["image"] for row in rows] == ["test_00", "test_01"]
        for row in rows:
            mask = tifffile.imread(tmp_path / "masks" / f"{row['image']}.tif")
            truth = tifffile.imread(data / "test" / "labels" / f"{row['image']}.tif")
            scores = score_mask(mask, truth)
            assert (int(row["tp"]), int(row["fp"]), int(row["fn"])) == (scores.tp, scores.fp, scores.fn)
            assert float(row["iou"]) == scores.iou

    @pytest.mark.parametrize("scale", [[48, 64], 0.5])
    def test_on_the_original_grid_at_any_scale(self, trained, tmp_path, scale):
        data, bundle = trained
        evaluate(bundle, data, tmp_path, {**QUIET, "scale": scale})
        for row in read_table(tmp_path / "scores.csv"):
            assert sum(int(row[name]) for name in ("tp", "fp", "fn", "tn")) == 96 * 112

    def test_returns_what_it_writes(self, trained, tmp_path):
        summary = evaluate(trained[1], trained[0], tmp_path / "out", QUIET)
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"scores.csv", "scores.json"}
        assert json.loads((tmp_path / "out" / "scores.json").read_text()) == summary
        assert summary["images"] == 2
        assert 0.6 < summary["iou"]["mean"] <= 1

    def test_scores_are_overwritten_only_on_request(self, trained, tmp_path):
        given = (trained[1], trained[0], tmp_path, QUIET)
        evaluate(*given)
        assert "already exists" in refused(SettingError, evaluate, *given)
        evaluate(*given, overwrite=True)

    def test_an_image_without_a_label(self, trained, tmp_path):
        data = write_folder(tmp_path / "data")
        shutil.rmtree(data / "test" / "labels")
        assert "must have a label" in refused(DataError, evaluate, trained[1], data, tmp_path / "out", QUIET)
        assert not (tmp_path / "out").exists()

    def test_a_truncated_image_stops_it_before_writing(self, trained, tmp_path):
        data = write_folder(tmp_path / "data")
        path = data / "test" / "images" / "test_01.tif"
        path.write_bytes(path.read_bytes()[:1000])
        assert "test_01.tif" in refused(DataError, evaluate, trained[1], data, tmp_path / "out", QUIET)
        assert not (tmp_path / "out").exists()


def test_small_settings_are_valid():
    from livecell_monai.settings import check_values

    assert check_values(SMALL) == SMALL
