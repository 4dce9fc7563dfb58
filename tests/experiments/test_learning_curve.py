"""The learning curve: growing amounts of data, scored on held-out images, and its conclusion."""

import csv
import json

import pytest
import tifffile

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.folds import make_folds
from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import learning_curve, parts
from livecell_monai.experiments.learning_curve import Amount, conclude, learn_curve, list_amounts
from livecell_monai.experiments.parts import StudyRequest
from livecell_monai.experiments.store import open_store
from livecell_monai.metrics import measure_mean
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
    told = []
    request = StudyRequest(write_folder(root / "data"), settings=settings)
    curve = learn_curve(request, root / "out", by="images", draws=2, tell=told.append)
    return root, uri, curve, told


@pytest.mark.slow
class TestByImages:
    def test_amounts_and_draws(self, by_images):
        root, _, curve, _ = by_images
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
        root, _, curve, _ = by_images
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
        _, uri, _, _ = by_images
        client = open_store(uri)
        runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        assert len(runs) == 10
        files = {entry.path for entry in client.list_artifacts(parent.info.run_id)}
        assert files == {"curve.csv", "learning_curve.json", "scores.csv"}
        assert {"learning_curve_iou", "learning_curve_ap50", "learning_curve_gain_ap50"} <= set(parent.data.metrics)

    def test_the_cost_is_told_once_before(self, by_images):
        _, _, _, told = by_images
        (line,) = told
        assert line.startswith("9 trainings of 1 epochs each; to limit their time")

    def test_no_weights_are_kept(self, by_images):
        root, uri, _, _ = by_images
        assert not list((root / "out").rglob("models"))
        assert (root / "out" / "images_2_fold_1_1" / "docs" / "README.md").is_file()
        client = open_store(uri)
        runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
        nested = [run.info.run_id for run in runs if "mlflow.parentRunId" in run.data.tags]
        for run_id in nested:
            folders = {entry.path for entry in client.list_artifacts(run_id, "bundle")}
            assert "bundle/docs" in folders
            assert "bundle/models" not in folders


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
        ((0.03, [-0.01, 0.07]), "cannot tell whether another image helps"),
        ((-0.03, [-0.09, 0.03]), "cannot tell whether another image helps"),
        ((0.03, None), "cannot tell whether another one helps: two held-out images or groups are too few"),
    ],
)
def test_conclusion(gain, words):
    said = conclude(gain, [HALF, ALL], 0.6)
    assert words in said
    assert said.startswith("from 50% to 100% of the annotated area the IoU changed by ")
    assert f"{gain[0]:+.3f}" in said
    assert conclude(gain, [Amount(4, 1.0), Amount(8, 1.0)], 0.6).startswith("from 4 to 8 images")


def test_networks_that_have_learned_nothing_show_nothing():
    said = conclude((0.0, [0.0, 0.0]), [HALF, ALL], 0.098)
    assert "cannot tell whether another one helps: 0.098 is too low, train longer" in said


class TestCells:
    @pytest.fixture
    def rows(self):
        """As `read_rows` gives them: two amounts, three images, two draws."""
        found = []
        for amount, gain in ((HALF, 0.0), (ALL, 0.1)):
            for fold, place in (("a", 0.0), ("b", 0.05), ("c", 0.1)):
                for draw in (1, 2):
                    more = gain + place + (-0.01 if draw == 1 else 0.01)
                    scores = {"iou": str(0.5 + more), "ap50": str(0.2 + 3 * more), "count_error": str(0.4 - more)}
                    found.append({"amount": amount.name, "fold": fold, "draw": draw, "image": fold, **scores})
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
                **{"iou": 0.65, "learning_curve_iou": 0.65, "learning_curve_ap50": 0.65, "learning_curve_count_error": 0.25},
                **{"learning_curve_gain_iou": 0.1, "learning_curve_gain_ap50": 0.3},
            }
        )

    def test_nothing_is_said_where_one_label_is_binary(self, rows):
        rows = [{**row, "ap50": "", "count_error": ""} if row["image"] == "b" else row for row in rows]
        curve = learning_curve._summarise(rows, [HALF, ALL])
        assert list(curve.gains) == ["iou"]
        assert set(curve.points[0]) == {"share_of_area", "scored_images", "iou", "low_95", "high_95"}


def make_rows(table, amounts):
    """Rows as in `scores.csv` of a made-up table: a list of IoU by amount for each fold of one image."""
    return [
        {"amount": amount.name, "fold": f"fold_{number}", "draw": 1, "image": f"image_{number}", "iou": str(value)}
        for number, scores in enumerate(table, start=1)
        for amount, value in zip(amounts, scores, strict=True)
    ]


EIGHTHS = [Amount(None, share) for share in (0.125, 0.25, 0.5, 1.0)]
ZIGZAG = (0.372, 0.533, 0.351, 0.606)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        pytest.param([ZIGZAG] * 3, "cannot tell", id="a zigzag, in all images alike"),
        pytest.param([ZIGZAG] * 30, "cannot tell", id="the same of many images"),
        pytest.param(
            [(0.35, 0.60, 0.29, 0.647), (0.40, 0.45, 0.41, 0.487), (0.366, 0.549, 0.353, 0.684)],
            "cannot tell",
            id="a zigzag of three images, whose bootstrap is +0.077 .. +0.357",
        ),
        pytest.param([(0.4, 0.5, 0.58, 0.65)] * 3, "likely to help", id="a steady rise"),
        pytest.param([(0.4, 0.5, 0.58, 0.62 + 0.01 * i) for i in range(3)], "likely to help", id="rises that differ little"),
        pytest.param([(0.4, 0.5, 0.58, 0.5 + 0.1 * i) for i in range(3)], "cannot tell", id="rises that differ much"),
        pytest.param([(0.5, 0.6, 0.649, 0.65)] * 3, "not likely to help much", id="flat at the end"),
    ],
)
def test_conclusion_from_a_table(table, words):
    curve = learning_curve._summarise(make_rows(table, EIGHTHS), EIGHTHS)
    assert words in curve.conclusion
    mean, (low, high) = curve.gains["iou"]
    assert low <= mean <= high


def test_the_zigzag_convinced_the_bootstrap():
    """What the noise between trainings changes: the interval over images alone excludes 0."""
    gains = [0.647 - 0.29, 0.487 - 0.41, 0.684 - 0.353]
    _, interval = measure_mean(gains)
    assert interval == pytest.approx([0.077, 0.357], abs=0.001)


@pytest.mark.parametrize(("draws", "expected"), [(1, 9), (2, 15)])
def test_trainings_of_three_images(folder, draws, expected):
    folds = make_folds(list_samples(folder, "train"))
    parts = learning_curve.list_parts(folds, list_amounts("area", 2), draws)
    assert len(parts) == expected
    assert len({part.name for part in parts}) == expected


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
