"""The learning curve: growing amounts of data, scored on held-out images, and its conclusion."""

import csv
import json

import pytest
import tifffile

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import learning_curve, parts
from livecell_monai.experiments.learning_curve import Amount, conclude, learn_curve, list_amounts
from livecell_monai.experiments.parts import StudyRequest
from livecell_monai.experiments.store import open_store
from tests.support.small_training import SMALL
from tests.support.worlds import write_folder

pytestmark = pytest.mark.usefixtures("without_figures")

TINY = {name: value for name, value in SMALL.items() if name != "checkpoint_selection"} | {
    "epochs": 1,
    "samples_per_epoch": 4,
}
SHARES = (0.25, 1.0)  # two of the four: each costs a training for each fold
ALL, HALF = Amount(None, 1.0), Amount(None, 0.5)


@pytest.fixture(scope="module")
def by_images(tmp_path_factory):
    root = tmp_path_factory.mktemp("curve")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    settings = {**TINY, "track": True, "tracking_uri": uri}
    curve = learn_curve(StudyRequest(write_folder(root / "data"), settings=settings), root / "out", by="images")
    return root, uri, curve


@pytest.mark.slow
class TestByImages:
    def test_amounts_and_draws(self, by_images):
        root, _, curve = by_images
        assert [point["training_images"] for point in curve.points] == [1, 2]
        names = {path.name for path in (root / "out").iterdir() if path.is_dir()}
        ones = {f"images_1_fold_{fold}_{draw}" for fold in (1, 2, 3) for draw in (1, 2)}
        assert names == {*ones, *(f"images_2_fold_{fold}_1" for fold in (1, 2, 3))}
        for name in names:
            lists = json.loads((root / "out" / f"{name}.json").read_text())
            trained, held = ({entry["image"] for entry in lists[role]} for role in ("training", "test"))
            assert len(trained) == int(name.split("_")[1])
            assert len(held) == 1
            assert not trained & held

    def test_points_are_means_over_images_of_means_over_draws(self, by_images):
        root, _, curve = by_images
        with open(root / "out" / "scores.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        ones = {}
        for row in rows:
            if row["amount"] == "images_1":
                ones.setdefault(row["image"], []).append(float(row["iou"]))
        assert sorted(map(len, ones.values())) == [2, 2, 2]
        means = [sum(values) / 2 for values in ones.values()]
        assert curve.points[0]["iou"] == pytest.approx(sum(means) / 3)
        assert curve.points[0]["low_95"] <= curve.points[0]["iou"] <= curve.points[0]["high_95"]
        assert curve.points[0]["scored_images"] == 3
        assert curve.gains["iou"][0] == pytest.approx(curve.points[1]["iou"] - curve.points[0]["iou"])

    def test_each_part_has_a_nested_run(self, by_images):
        _, uri, _ = by_images
        client = open_store(uri)
        runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        assert len(runs) == 10
        files = {entry.path for entry in client.list_artifacts(parent.info.run_id)}
        assert files == {"curve.csv", "learning_curve.json", "scores.csv"}
        assert {"learning_curve_iou", "learning_curve_ap50", "learning_curve_gain_ap50"} <= set(parent.data.metrics)


@pytest.mark.slow
def test_by_area_and_resumed(folder, tmp_path, monkeypatch):
    trained, real = [], parts.train

    def stopping(data, *args, **kwargs):
        trained.append(data.stem)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(data, *args, **kwargs)

    monkeypatch.setattr(parts, "train", stopping)
    monkeypatch.setattr(learning_curve, "SHARES", SHARES)
    settings = {**TINY, "split": "auto"}
    with pytest.raises(KeyboardInterrupt):
        learn_curve(StudyRequest(folder, settings=settings), tmp_path / "out", draws=1)
    curve = learn_curve(StudyRequest(folder, settings=settings), tmp_path / "out", draws=1)
    assert len(trained) == 2 * 3 + 1
    assert trained[2] == trained[3]
    assert [point["share_of_area"] for point in curve.points] == list(SHARES)
    for share in SHARES[:-1]:
        entry = json.loads((tmp_path / "out" / f"area_{share:g}_fold_1_1.json").read_text())["training"][0]
        assert tifffile.imread(entry["image"]).size / (96 * 112) == pytest.approx(share, rel=0.06)


@pytest.mark.parametrize(
    ("by", "most", "expected"),
    [("images", 2, [1, 2]), ("images", 3, [1, 2, 3]), ("images", 8, [1, 2, 4, 8]), ("images", 11, [1, 2, 4, 8, 11])],
)
def test_amounts_double(by, most, expected):
    assert [amount.images for amount in list_amounts(by, most)] == expected


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ((0.03, [0.01, 0.05]), "another annotated image is likely to help"),
        ((0.001, [-0.004, 0.006]), "another image of the same kind is not likely to help much"),
        ((-0.02, [-0.03, -0.01]), "another image of the same kind is not likely to help much"),
        ((0.03, [-0.01, 0.05]), "the images do not show whether another one is likely to help"),
        ((0.03, None), "two held-out images are too few to say"),
    ],
)
def test_conclusion(gain, words):
    said = conclude(gain, [HALF, ALL])
    assert words in said
    assert said.startswith("from 50% to 100% of the annotated area the IoU changed by ")
    assert f"{gain[0]:+.3f}" in said
    assert conclude(gain, [Amount(4, 1.0), Amount(8, 1.0)]).startswith("from 4 to 8 images")


class TestCells:
    @pytest.fixture
    def rows(self):
        """As `read_rows` gives them: two amounts, three images, two draws."""
        found = []
        for amount, gain in ((HALF, 0.0), (ALL, 0.1)):
            for image, place in (("a", 0.0), ("b", 0.05), ("c", 0.1)):
                for draw in (-0.01, 0.01):
                    more = gain + place + draw
                    scores = {"iou": str(0.5 + more), "ap50": str(0.2 + 3 * more), "count_error": str(0.4 - more)}
                    found.append({"amount": amount.name, "image": image, **scores})
        return found

    def test_scores_of_cells_have_means_intervals_and_a_conclusion(self, rows):
        curve = learning_curve._summarise(rows, [HALF, ALL])
        assert [point["ap50"] for point in curve.points] == pytest.approx([0.35, 0.65])
        assert [point["count_error"] for point in curve.points] == pytest.approx([0.35, 0.25])
        assert [point["iou"] for point in curve.points] == pytest.approx([0.55, 0.65])
        for point in curve.points:
            assert point["ap50_low_95"] < point["ap50"] < point["ap50_high_95"]
        assert {name: gain[0] for name, gain in curve.gains.items()} == pytest.approx({"iou": 0.1, "ap50": 0.3})
        first, second = curve.conclusion.splitlines()
        assert "the IoU changed by +0.100" in first
        assert "the AP50 changed by +0.300" in second
        assert learning_curve._metrics(curve) == pytest.approx(
            {
                **{"learning_curve_iou": 0.65, "learning_curve_ap50": 0.65, "learning_curve_count_error": 0.25},
                **{"learning_curve_gain_iou": 0.1, "learning_curve_gain_ap50": 0.3},
            }
        )

    def test_nothing_is_said_where_one_label_is_binary(self, rows):
        rows = [{**row, "ap50": "", "count_error": ""} if row["image"] == "b" else row for row in rows]
        curve = learning_curve._summarise(rows, [HALF, ALL])
        assert list(curve.gains) == ["iou"]
        assert set(curve.points[0]) == {"share_of_area", "scored_images", "iou", "low_95", "high_95"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"by": "cells"}, "--by must be one of auto, area, images, got 'cells'"), ({"draws": 0}, "--draws must be .* got 0")],
)
def test_invalid_options_are_rejected(folder, tmp_path, asked, message):
    with pytest.raises(SettingError, match=message):
        learn_curve(StudyRequest(folder, settings=TINY), tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_too_few_images(tmp_path):
    with pytest.raises(DataError, match="needs 2 or more images or groups, got 1; annotate another image"):
        learn_curve(StudyRequest(write_folder(tmp_path / "one", train=1), settings=TINY), tmp_path / "out")
    with pytest.raises(SettingError, match="--by must be area where one image is left to train on"):
        learn_curve(StudyRequest(write_folder(tmp_path / "two", train=2), settings=TINY), tmp_path / "out", by="images")
    assert not (tmp_path / "out").exists()
