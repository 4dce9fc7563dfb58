"""Runs are listed and compared, in stores with runs of every kind."""

import shutil
import socket

import numpy as np
import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import comparison
from livecell_monai.experiments.compared_run import ComparedRun
from livecell_monai.experiments.comparison import compare_runs, find_differences, list_runs
from livecell_monai.experiments.store import find_experiment, open_store
from livecell_monai.metrics import measure_paired_difference, summarise_scores
from tests.support.logged_runs import DATA, log_run, some_scores, with_cells, write_scores

FIRST, OTHER = some_scores(0.5, 0.6, 0.7, 0.8), some_scores(0.55, 0.6, 0.6, 0.9)
REGION = {"split_used": "region", "validation_fraction": 0.15}


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory):
    """A store of six runs of every status, and three nested under one of them."""
    path = tmp_path_factory.mktemp("filled") / "mlflow.db"
    shutil.copyfile(empty_store, path)
    uri = f"sqlite:///{path}"
    client = open_store(uri)
    number = find_experiment(client, uri, "livecell")
    middle = {"iou": 0.7, "accuracy": 0.9, "loss": 0.3}
    log_run(client, number, "broken", "FAILED", lr=0.1, **REGION)
    log_run(client, number, "middle", kept=middle, lr=0.01, seed=0, **REGION)
    log_run(client, number, "running", "RUNNING", lr=0.01, **REGION)
    log_run(client, number, "best", kept={"iou": 0.8, "loss": 0.4}, lr=0.01, seed=0, data="f" * 64, **REGION)
    log_run(client, number, "leaky", kept={"iou": 0.75}, lr=0.01, split_used="original", seed=0)
    zero = log_run(client, number, "zero", kept={"iou": 0.0}, lr=0.01, seed=0, **REGION)
    for fold in range(3):
        log_run(client, number, f"fold-{fold}", kept={"iou": 0.9}, parent=zero, split_used="given")
    return uri


@pytest.fixture(scope="module")
def paired(empty_store, tmp_path_factory):
    """A store of runs with scores by image, and runs that cannot be compared to them."""
    path = tmp_path_factory.mktemp("paired") / "mlflow.db"
    shutil.copyfile(empty_store, path)
    uri = f"sqlite:///{path}"
    client = open_store(uri)
    number = find_experiment(client, uri, "livecell")
    docs = "bundle/docs/"
    epochs = ({"iou": 0.7}, {"iou": 0.6})
    first = log_run(
        client, number, "first", kept={"iou": 0.65}, epochs=epochs, images=FIRST, folder=docs, lr=0.1, loss="bce", **REGION
    )
    log_run(client, number, "other", kept={"iou": 0.66}, images=OTHER, folder=docs, lr=0.2, loss="bce", **REGION)
    log_run(client, number, "folds", kept={"iou": 0.5}, images=some_scores(0.4, 0.5), number_of_folds=2)
    log_run(client, number, "old", kept={"iou": 0.3, "loss": 0.5}, lr=0.1, loss="bce", **REGION)
    log_run(client, number, "twin", kept={"iou": 0.1})
    log_run(client, number, "twin", kept={"iou": 0.2})
    log_run(client, number, "elsewhere", images=OTHER, folder=docs, data="f" * 64, lr=0.1, loss="bce", **REGION)
    relabelled = {**OTHER, "d": some_scores(1, 1, 1, 0.9, foreground=300)["d"]}
    log_run(client, number, "relabelled", images=relabelled, folder=docs, lr=0.1, loss="bce", **REGION)
    log_run(client, number, "running", "RUNNING", kept={"iou": 0.9})
    log_run(client, number, "broken", "FAILED")
    return uri, first


def names_of(found):
    return [run.name for run in found.runs]


class TestList:
    def test_best_first_and_those_without_a_score_last(self, filled):
        names = names_of(list_runs(filled))
        assert names[:4] == ["best", "leaky", "middle", "zero"]
        assert set(names[4:]) == {"broken", "running"}

    def test_facts_of_a_run(self, filled):
        runs = {run.name: run for run in list_runs(filled).runs}
        assert runs["middle"].kept == {"iou": 0.7, "accuracy": 0.9, "loss": 0.3}
        assert runs["middle"].settings["lr"] == "0.01"
        assert (runs["broken"].status, runs["broken"].kept) == ("FAILED", {})
        assert (runs["running"].status, runs["running"].seconds) == ("RUNNING", None)
        assert runs["best"].seconds >= 0
        assert (runs["best"].data, runs["middle"].data) == ("f" * 64, DATA)

    def test_nested_runs_are_counted_or_listed(self, filled):
        assert {run.name: run.nested for run in list_runs(filled).runs if run.nested} == {"zero": 3}
        names = names_of(list_runs(filled, is_all=True))
        assert (set(names[:3]), names[3]) == ({"fold-0", "fold-1", "fold-2"}, "best")

    def test_a_run_whose_parent_was_deleted_is_listed(self, store):
        client = open_store(store)
        number = find_experiment(client, store, "livecell")
        parent = log_run(client, number, "parent", kept={"iou": 0.5})
        log_run(client, number, "fold", kept={"iou": 0.6}, parent=parent)
        assert names_of(list_runs(store)) == ["parent"]
        client.delete_run(parent)
        assert names_of(list_runs(store)) == ["fold"]

    def test_mismatches_are_reported(self, filled):
        leak, data = list_runs(filled).warnings
        assert leak.endswith("not to be compared with the others: leaky")
        assert data == "trained on different data: best (ffffffff); leaky, middle, zero (01234567)"

    def test_folds_are_scored_on_different_images(self, store):
        client = open_store(store)
        number = find_experiment(client, store, "livecell")
        parent = log_run(client, number, "all", number_of_folds=2)
        for fold in (1, 2):
            log_run(client, number, f"fold-{fold}", kept={"iou": 0.5}, parent=parent, split_used="given")
        (line,) = list_runs(store, is_all=True).warnings
        assert line.startswith("scored on different images: fold-")

    def test_the_limit_keeps_the_best(self, filled):
        assert names_of(list_runs(filled, limit=2)) == ["best", "leaky"]

    def test_the_lowest_loss_is_the_best(self, filled):
        assert names_of(list_runs(filled, metric="loss"))[:2] == ["middle", "best"]

    def test_a_metric_that_no_run_has_is_rejected(self, filled):
        with pytest.raises(
            SettingError, match="--metric must be one that a run has, none of livecell has dice; choose another"
        ):
            list_runs(filled, metric="dice")

    def test_more_runs_than_a_page_are_all_found(self, filled, monkeypatch):
        monkeypatch.setattr(comparison, "PAGE", 2)
        assert len(list_runs(filled, is_all=True).runs) == 9

    def test_the_environment_names_the_store(self, filled, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", filled)
        assert len(list_runs().runs) == 6

    def test_an_unknown_experiment_is_rejected_with_the_known_ones(self, filled):
        with pytest.raises(SettingError, match=r"^--experiment must be one of the store's \(.*livecell.*\), got 'livecel'"):
            list_runs(filled, "livecel")

    def test_a_store_without_runs(self, store):
        with pytest.raises(SettingError, match=r"one of the store's \(Default\), got 'livecell'"):
            list_runs(store)
        find_experiment(open_store(store), store, "livecell")
        assert list_runs(store).runs == []

    def test_a_missing_store_is_rejected_and_not_created(self, tmp_path):
        with pytest.raises(SettingError, match=r"mlflow.db: the MLflow store does not exist; train first"):
            list_runs(f"sqlite:///{tmp_path}/mlflow.db")
        assert not list(tmp_path.iterdir())


class TestSideBySide:
    def test_the_difference_is_over_images_to_the_first_run(self, paired):
        found = compare_runs(["first", "other"], paired[0])
        assert (names_of(found), found.first.name) == (["other", "first"], "first")
        expected = measure_paired_difference(
            np.array([s.iou for s in FIRST.values()]), np.array([s.iou for s in OTHER.values()])
        )
        assert found.differences == [expected, None]
        assert (expected.better, expected.worse, expected.equal) == (2, 1, 1)
        (back,) = (part for part in compare_runs(["other", "first"], paired[0]).differences if part is not None)
        assert back.mean == pytest.approx(-expected.mean)
        assert found.warnings == []
        assert found.differing == ["lr"]

    def test_another_metric_pairs_and_ranks(self, paired):
        found = compare_runs(["first", "other"], paired[0], "dice")
        assert found.differences[0].mean == pytest.approx(
            np.mean([b.get("dice") - a.get("dice") for a, b in zip(FIRST.values(), OTHER.values(), strict=True)])
        )

    def test_the_interval_of_a_run_is_that_of_its_evaluation(self, paired):
        found = compare_runs(["first", "folds"], paired[0])
        assert found.intervals[0] == tuple(summarise_scores(list(FIRST.values()))["iou"]["interval_95"])
        assert found.intervals[1] is None  # two images

    def test_last_and_best_epochs(self, paired):
        (run,) = compare_runs(["first"], paired[0]).runs
        assert (run.kept, run.last) == ({"iou": 0.65}, {"iou": 0.6})

    def test_by_id_and_a_folder_beside_it(self, paired, tmp_path):
        write_scores(tmp_path / "scores.csv", OTHER)
        found = compare_runs([paired[1], tmp_path], paired[0])
        assert set(names_of(found)) == {"first", str(tmp_path)}
        assert found.differences[0].images == 4

    def test_folders_need_no_store(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name, images in (("a", FIRST), ("b", OTHER)):
            write_scores(tmp_path / name / "scores.csv", images)
        assert names_of(compare_runs(["a", "b"], f"sqlite:///{tmp_path}/none.db")) == ["b", "a"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]

    def test_different_data_are_paired_by_name_with_a_warning(self, paired):
        found = compare_runs(["first", "elsewhere"], paired[0])
        assert found.differences[0].images == 4
        assert found.warnings == [
            "trained on different data: first (01234567); elsewhere (ffffffff)",
            "elsewhere and first are paired by the names of images, though the data differ",
        ]

    def test_an_image_with_different_labels_is_left_out_with_a_warning(self, paired):
        found = compare_runs(["first", "relabelled"], paired[0])
        (difference,) = (part for part in found.differences if part is not None)
        assert difference.images == 3
        assert found.warnings[0].startswith("scored on different images: ")
        assert found.warnings[1] == "left out of the difference of relabelled to first, the labels differ: d"

    def test_runs_without_scores_by_image_are_shown_without_a_difference(self, paired):
        found = compare_runs(["first", "old"], paired[0])
        assert found.differences == [None, None]
        assert found.warnings == ["no difference to first: old has no iou by image"]
        assert compare_runs(["old", "first"], paired[0]).warnings == ["no difference to old: old has no iou by image"]

    def test_no_image_in_common(self, paired, tmp_path):
        write_scores(tmp_path / "scores.csv", {"z": FIRST["a"]})
        found = compare_runs(["first", str(tmp_path)], paired[0])
        assert found.differences == [None, None]
        assert found.warnings[-1] == f"no difference of {tmp_path} to first: no image in common"

    def test_a_cross_validation_and_a_strip_have_different_pixels(self, paired):
        found = compare_runs(["first", "folds"], paired[0])
        assert any(line.startswith("scored on different images: first (region") for line in found.warnings)

    def test_runs_of_the_same_name_are_shown_with_their_ids(self, paired):
        twins = [run.id for run in list_runs(paired[0]).runs if run.name.startswith("twin")]
        assert set(names_of(compare_runs(twins, paired[0]))) == {f"twin ({run_id[:8]})" for run_id in twins}


class TestCells:
    AP50 = staticmethod(lambda right: right / (20 - right))

    @pytest.fixture
    def compare(self, tmp_path, monkeypatch):
        """Compares folders by the number of right cells in each of four images."""
        monkeypatch.chdir(tmp_path)

        def run(**folders):
            for name, found in folders.items():
                write_scores(tmp_path / name / "scores.csv", with_cells(some_scores(0.5, 0.6, 0.7, 0.8), *found))
            return compare_runs(list(folders), "none")

        return run

    def test_stand_beside_the_chosen_metric_with_intervals_and_paired_differences(self, compare):
        found = compare(a=(2, 4, 6, 8), b=(3, 5, 7, 8))
        assert (found.metric, [run.name for run in found.runs]) == ("iou", ["a", "b"])
        assert [score.metric for score in found.cells] == [
            *("ap50", "ap75", "map", "cell_f1", "pq", "seg", "aji", "count_error"),
        ]
        ap50 = found.cells[0]
        before, after = ([self.AP50(right) for right in found] for found in ((2, 4, 6, 8), (3, 5, 7, 8)))
        assert ap50.means == pytest.approx([sum(before) / 4, sum(after) / 4])
        assert all(low < mean < high for mean, (low, high) in zip(ap50.means, ap50.intervals, strict=True))
        nothing, difference = ap50.differences
        assert nothing is None
        expected = measure_paired_difference(np.array(before), np.array(after))
        assert (difference.better, difference.worse, difference.equal) == (3, 0, 1)
        assert difference == expected
        assert found.warnings == []

    def test_a_run_with_a_binary_label_has_none_and_it_is_said(self, compare):
        found = compare(a=(2, 4, 6, 8), b=(3, 5, None, 8))
        assert [score.means[1] for score in found.cells] == [None] * 8
        assert [score.differences for score in found.cells] == [[None, None]] * 8
        assert found.warnings == ["no scores of cells, because some labels are binary or cells were not scored: b"]

    def test_nothing_is_said_where_no_run_has_any(self, compare):
        found = compare(a=(None,) * 4, b=(None,) * 4)
        assert (found.cells, found.warnings) == ([], [])


class TestRejected:
    @pytest.mark.parametrize(
        ("names", "metric", "words"),
        [
            (["first", "none"], "iou", "^run none: must be a folder, or the id or name of a run, there is none"),
            (["first", "running"], "iou", "^run running: must have ended, it is RUNNING; wait for it"),
            (["x" * 300], "iou", "^run x+: must be a folder, or the id or name of a run, there is none"),
            (["first", "twin"], "iou", "^run twin: the name must be that of one run, there are several; give its id"),
            (["first", "broken"], "iou", "^run broken: must have the metric iou, it has: none"),
            (
                ["old", "first"],
                "loss",
                "^run first: must have the metric loss, it has: iou, dice, accuracy, precision, recall",
            ),
            (["first", "first"], "iou", "^run first: each run must be named once"),
            (["first"], "auc", "^--metric must be one of iou, .*, got 'auc'"),
        ],
    )
    def test_on_one_line(self, paired, names, metric, words):
        with pytest.raises(SettingError, match=words) as caught:
            compare_runs(names, paired[0], metric)
        assert "\n" not in str(caught.value)

    def test_the_same_run_by_name_and_by_id(self, paired):
        with pytest.raises(SettingError, match="each run must be named once, it is named twice"):
            compare_runs(["first", paired[1]], paired[0])

    def test_an_empty_folder(self, paired, tmp_path):
        with pytest.raises(DataError, match=r"must hold scores\.csv or be a trained bundle"):
            compare_runs(["first", str(tmp_path)], paired[0])

    def test_no_folder_and_no_store(self, tmp_path):
        with pytest.raises(
            SettingError, match=r"^x: is no folder here, and no run can be looked up: .*mlflow\.db: the MLflow store"
        ):
            compare_runs(["x"], f"sqlite:///{tmp_path}/mlflow.db")

    def test_a_server_that_does_not_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(SettingError, match=r"^x: .*must be a store that answers"):
            compare_runs(["x"], f"http://127.0.0.1:{port}")

    def test_a_store_that_stops_answering(self, paired, monkeypatch):
        from mlflow.exceptions import MlflowException

        def fail(*args):
            raise MlflowException("connection lost\nin the middle")

        monkeypatch.setattr(comparison, "find_image_scores", fail)
        with pytest.raises(SettingError, match=r"must be a store that answers, got .*: connection lost in the middle; "):
            compare_runs(["first"], paired[0])


class TestStatus:
    def test_a_running_one_is_rejected_with_the_remedy(self, store):
        client = open_store(store)
        run_id = log_run(client, find_experiment(client, store, "livecell"), "now", "RUNNING")
        with pytest.raises(SettingError, match=rf"^run now: must have ended, it is RUNNING; .*set_terminated\('{run_id}'"):
            compare_runs([run_id], store)

    def test_a_deleted_one_is_rejected(self, store):
        client = open_store(store)
        run_id = log_run(client, find_experiment(client, store, "livecell"), "gone")
        client.delete_run(run_id)
        with pytest.raises(SettingError, match=rf"^run gone: must not be deleted, it is; .*--run-id {run_id}"):
            compare_runs([run_id], store)

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_an_ended_one_is_shown(self, store, status):
        client = open_store(store)
        run_id = log_run(client, find_experiment(client, store, "livecell"), "a", status, kept={"iou": 0.5})
        assert [run.status for run in compare_runs([run_id], store).runs] == [status]


class TestDifferences:
    @staticmethod
    def run_of(**settings):
        return ComparedRun("a", settings={key: str(value) for key, value in settings.items()})

    def test_only_what_differs_by_name(self):
        runs = [self.run_of(seed=0, lr=1, dropout=0.1), self.run_of(seed=0, lr=2, dropout=0.2)]
        assert find_differences(runs) == ["dropout", "lr"]

    def test_a_setting_that_one_run_lacks_differs(self):
        assert find_differences([self.run_of(seed=0), self.run_of(seed=0, guard=16)]) == ["guard"]

    def test_a_cross_validation_is_compared_to_trainings_by_its_given_settings(self):
        trainings = [self.run_of(seed=0, lr=1, guard=16, split_used="region") for _ in range(2)]
        plain, other = self.run_of(number_of_folds=3, lr=1), self.run_of(number_of_folds=3, lr=2)
        assert find_differences([*trainings, plain]) == []
        assert find_differences([*trainings, other]) == ["lr"]
        assert find_differences([*trainings, plain, self.run_of(number_of_folds=3)]) == ["lr"]
        assert find_differences([*trainings, self.run_of(seed=0, lr=1, split_used="region"), plain]) == ["guard"]

    def test_a_folder_without_settings_is_ignored(self):
        assert find_differences([self.run_of(seed=0), self.run_of()]) == []

    def test_versions_machine_data_and_store_are_no_settings(self):
        names = ("version_torch", "computed_on", "data_sha256", "tracking_uri", "run_name", "show_progress")
        runs = [self.run_of(**dict.fromkeys(names, n)) for n in (1, 2)]
        assert find_differences(runs) == []

    @pytest.mark.parametrize("count", [0, 1])
    def test_a_single_run_has_no_differences(self, count):
        assert find_differences([self.run_of(lr=1)] * count) == []


@pytest.mark.slow
def test_a_server_gives_the_same(server):
    uri, _ = server
    client = open_store(uri)
    number = find_experiment(client, uri, "compared")
    log_run(client, number, "first", kept={"iou": 0.6}, epochs=({"iou": 0.7}, {"iou": 0.6}), images=FIRST, **REGION)
    log_run(client, number, "other", kept={"iou": 0.7}, images=OTHER, folder="bundle/docs/", **REGION)
    found = compare_runs(["first", "other"], uri)
    assert names_of(list_runs(uri, "compared")) == ["other", "first"]
    with pytest.raises(SettingError, match=r"^run none: must be a folder, or the id or name of a run"):
        compare_runs(["first", "none"], uri)
    assert found.runs[0].images == OTHER
    assert found.differences[0].images == 4
