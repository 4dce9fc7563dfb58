"""Images that are annotated in part, and images without any cell, from files to scores."""

import hashlib
import shutil

import numpy as np
import pytest
import tifffile

from livecell_monai.api import evaluate, train
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.runs.atomic import read_table
from tests.support.commands import livecell
from tests.support.small_training import QUIET, train_small
from tests.support.worlds import SHAPE, write_folder, write_sample

ANNOTATED = np.arange(SHAPE[1]) < 70 * np.ones((SHAPE[0], 1), int)  #: the left part of each image


def write_ignored(folder, role, name, ignored):
    path = folder / role / "ignore" / f"{name}.tif"
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, ignored.astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Two images that are annotated in part, one without any cell, and a test image of each kind."""
    root = write_folder(tmp_path / "data", train=2, test=1)
    empty = np.zeros(SHAPE, np.uint16)
    for role in ("train", "test"):
        image = np.random.default_rng(0).integers(8_114, 65_535, SHAPE, np.uint16)
        write_sample(root, "empty", empty, role=role, image=image)
        write_ignored(root, role, f"{role}_00", ~ANNOTATED)
    return root


def digest(bundle):
    return hashlib.sha256((bundle / "models" / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["patches", "transforms"])
def test_labels_that_are_ignored_change_no_bit_of_weights_and_scores(folder, tmp_path, augmentation):
    settings = {"maps": ["foreground", "distance"], "augmentation": augmentation, "epochs": 2}
    path = folder / "train/labels/train_00.tif"
    label = tifffile.imread(path)
    others = {
        "other cells": np.where(ANNOTATED, label, 9),
        "minus one": np.where(ANNOTATED, label.astype(np.int16), -1),
        "annotated in full": label,
    }
    digests, histories = {}, {}
    for name, other in others.items():
        tifffile.imwrite(path, other)
        if name == "annotated in full":
            shutil.rmtree(folder / "train" / "ignore")
        train_small(folder, tmp_path / name, **settings)
        digests[name], histories[name] = digest(tmp_path / name), read_table(tmp_path / name / "docs" / "history.csv")
    assert digests["other cells"] == digests["minus one"] != digests["annotated in full"]
    columns = ("val_iou", "val_loss", "train_loss", "train_accuracy")
    rows = {name: [[row[column] for column in columns] for row in history] for name, history in histories.items()}
    assert rows["other cells"] == rows["minus one"] != rows["annotated in full"]


@pytest.mark.slow
def test_page_scores_and_images_without_cells(folder, tmp_path):
    train_small(folder, tmp_path / "model", maps=["foreground", "distance"])
    page = (tmp_path / "model" / "docs" / "report.html").read_text(encoding="utf-8")
    assert page.count("hatched: not annotated, does not count") >= 2
    evaluate(tmp_path / "model", folder, tmp_path / "scores", QUIET)
    rows = {row["image"]: row for row in read_table(tmp_path / "scores" / "scores.csv")}
    counted = {name: sum(int(row[column]) for column in ("tp", "fp", "fn", "tn")) for name, row in rows.items()}
    assert counted == {"empty": ANNOTATED.size, "test_00": ANNOTATED.sum()}
    assert rows["empty"]["true_cells"] == "0"


@pytest.mark.slow
def test_another_value_of_labels_is_a_setting_of_the_bundle(folder, tmp_path):
    for role in ("train", "test"):
        path = folder / role / "labels" / f"{role}_00.tif"
        tifffile.imwrite(path, np.where(ANNOTATED, tifffile.imread(path), 255).astype(np.uint8))
        shutil.rmtree(folder / role / "ignore")
    train_small(folder, tmp_path / "model", unlabelled_value=255)
    evaluate(tmp_path / "model", folder, tmp_path / "scores", QUIET)
    (row,) = [row for row in read_table(tmp_path / "scores" / "scores.csv") if row["image"] == "test_00"]
    assert sum(int(row[column]) for column in ("tp", "fp", "fn", "tn")) == ANNOTATED.sum()


def test_check_counts_them(folder):
    for path in [*folder.glob("train/labels/train_*.tif"), folder / "test/labels/test_00.tif"]:
        label = tifffile.imread(path)
        tifffile.imwrite(path, np.where(label == 5, 255, label).astype(np.uint8))
    outcome = livecell("check", folder, "--unlabelled-value", "255")
    assert outcome.code == 0
    rows = {line.split()[1]: line.split() for line in outcome.out.splitlines() if line.startswith(("train ", "test "))}
    assert float(rows["train_00"][-4].rstrip("%")) > 100 * (1 - ANNOTATED.mean())
    assert 0 < float(rows["train_01"][-4].rstrip("%")) < 10
    assert rows["empty"][-4:] == ["0.0%", "0.0%", "0", "ok"]
    assert "without any cell: 1 of 3 training images (empty); they are learned as background" in outcome.out
    assert "not annotated: " in outcome.out
    refused = livecell("check", folder, "--unlabelled-value", "0")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "error: setting unlabelled_value must be a whole number of at least 1 or null, got 0; correct it\n"


@pytest.mark.slow
def test_a_third_of_each_image_teaches_as_much_as_its_crop(tmp_path):
    """Not marked, the rest of the image would be learned as background, and most cells be missed."""
    whole = write_sample_set(tmp_path / "whole", train=3, test=3, shape=(384, 384))
    shutil.rmtree(whole / "train" / "borders")
    crop, part, unmarked = (shutil.copytree(whole, tmp_path / name) for name in ("crop", "part", "unmarked"))
    ignored = np.arange(384) >= 128 * np.ones((384, 1), int)
    for path in sorted((whole / "train" / "images").iterdir()):
        label = tifffile.imread(whole / "train" / "labels" / path.name)
        tifffile.imwrite(crop / "train" / "images" / path.name, tifffile.imread(path)[:, :128])
        tifffile.imwrite(crop / "train" / "labels" / path.name, label[:, :128])
        for folder in (part, unmarked):
            tifffile.imwrite(folder / "train" / "labels" / path.name, np.where(ignored, 0, label))
        write_ignored(part, "train", path.stem, ignored)
    settings = {"maps": ["foreground", "distance"], "scale": 1.0, "patch_size": [128, 128], "batch_size": 8}
    settings |= {"epochs": 4, "samples_per_epoch": 64, "split": "none", "track": False}
    scores = {}
    for folder in (crop, part, unmarked):
        train(folder, tmp_path / "models" / folder.name, settings=settings)
        scores[folder.name] = evaluate(tmp_path / "models" / folder.name, whole)
    means = {name: {score: found[score]["mean"] for score in ("iou", "ap50")} for name, found in scores.items()}
    assert means["part"]["iou"] > means["crop"]["iou"] - 0.05, means
    # cells that the region cuts teach the foreground only
    assert means["part"]["ap50"] > means["crop"]["ap50"] - 0.15, means
    assert all(means["part"][name] > means["unmarked"][name] + 0.3 for name in ("iou", "ap50")), means
