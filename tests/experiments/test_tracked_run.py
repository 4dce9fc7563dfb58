"""What a training may tell of its run, however often, and what is said at its end."""

import pytest

from livecell_monai.experiments import tracked_run
from livecell_monai.experiments.outbox import END, FILE, METRICS, TAG, open_outbox
from livecell_monai.experiments.tracked_run import PrunedError, TrackedRun, ended_by_its_end


class Silent:
    """In place of a sender: counts, and leaves everything."""

    def __init__(self, left):
        self.left, self.woken, self.waited = left, 0, None

    def wake(self):
        self.woken += 1

    def close(self, seconds):
        self.waited = seconds
        return self.left


@pytest.fixture
def spool(tmp_path):
    with open_outbox(tmp_path / "fold_1.partial" / ".tracking") as spool:
        spool.begin(uri="", time=1, again=None)
        yield spool


@pytest.fixture
def run(spool):
    return TrackedRun(spool, Silent(0), None, 7.0)


def noted(spool, kind):
    return [entry for entry in spool.entries if entry["kind"] == kind]


def test_an_epoch_that_is_told_again_is_noted_once(spool, run):
    """As by a training that goes on from a checkpoint."""
    run.log_epoch(1, {"val_iou": 0.25})
    run.log_epoch(2, {"val_iou": 0.5})
    run.log_epoch(2, {"val_iou": 0.625})
    run.log_epoch(2, {"val_iou": 0.5, "lr": 0.1})
    assert [(entry["step"], entry["values"]) for entry in noted(spool, METRICS)] == [
        (1, {"val_iou": 0.25}),
        (2, {"val_iou": 0.5}),
        (2, {"lr": 0.1}),
    ]


def test_scores_are_noted_again_where_they_have_changed(spool, run):
    for best in (0.25, 0.25, 0.5):
        run.log_scores({"sweep_best_iou": best}, ["sweep.csv"])
    assert [entry["values"]["sweep_best_iou"] for entry in noted(spool, METRICS)] == [0.25, 0.5]
    assert {entry["path"] for entry in noted(spool, FILE)} == {"sweep.csv"}


def test_files_of_the_bundle_are_noted_by_where_they_lie_in_it(spool, run):
    for name in ("configs/train.yaml", "docs/figures/a.png", "models/model.pt", "models/last.pt", "LICENSE"):
        (spool.root / name).parent.mkdir(parents=True, exist_ok=True)
        (spool.root / name).write_text(name)
    run.log_result(spool.root, {"iou": 0.5})
    assert {entry["path"]: entry["into"] for entry in noted(spool, FILE)} == {
        "configs/train.yaml": "bundle/configs",
        "docs/figures/a.png": "bundle/docs/figures",
        "models/model.pt": "bundle/models",
        "LICENSE": "bundle",
    }


@pytest.mark.parametrize(
    ("error", "status", "waits"),
    [
        (None, "FINISHED", 7.0),
        (KeyboardInterrupt, "KILLED", tracked_run.BREAK_S),
        (ValueError, "FAILED", tracked_run.BREAK_S),
    ],
)
def test_the_end_is_that_of_the_block_and_waits_less_where_it_was_broken_off(spool, run, error, status, waits):
    def end():
        with ended_by_its_end(run):
            if error is not None:
                raise error

    if error is None:
        end()
    else:
        with pytest.raises(error):
            end()
    assert [entry["status"] for entry in noted(spool, END)] == [status]
    assert run._sender.waited == waits


def test_a_pruned_one_is_tagged_ahead_of_its_end(spool, run):
    with pytest.raises(PrunedError), ended_by_its_end(run):
        raise PrunedError
    assert [entry["kind"] for entry in spool.entries] == ["run", TAG, END]


@pytest.mark.parametrize("left", [0, 3])
def test_what_is_left_is_said_with_the_name_that_the_folder_will_have(spool, left, tmp_path, caplog):
    TrackedRun(spool, Silent(left), None).end("FINISHED")
    folder = tmp_path / "fold_1"
    line = f"MLflow lacks 3 entries of this run, kept in {folder}; send them: livecell sync {folder}"
    assert [record.getMessage() for record in caplog.records] == [line] * (left > 0)


def test_no_run_takes_everything(tmp_path):
    run = TrackedRun()
    run.log_epoch(1, {"val_iou": 0.5})
    run.log_scores({"iou": 0.5}, ["scores.csv"])
    run.end_nested("fold_1")
    run.end("FINISHED")
    assert run.run_id == ""
