"""What a training may tell of its run, however often, and what is said at its end."""

import pytest

from livecell_monai.experiments import tracked_run
from livecell_monai.experiments.outbox import END, FILE, METRICS, TAG, open_outbox
from livecell_monai.experiments.tracked_run import PrunedError, TrackedRun, ended_with_block


class Silent:
    """In place of an uploader: counts, and leaves everything."""

    def __init__(self, left):
        self.left, self.woken, self.waited = left, 0, None

    def wake(self):
        self.woken += 1

    def close(self, seconds):
        self.waited = seconds
        return self.left


@pytest.fixture
def outbox(tmp_path):
    with open_outbox(tmp_path / "fold_1.partial" / ".tracking") as outbox:
        outbox.begin(uri="", time=1, again=None)
        yield outbox


@pytest.fixture
def run(outbox):
    return TrackedRun(outbox, Silent(0), None, 7.0)


def noted(outbox, kind):
    return [entry for entry in outbox.entries if entry["kind"] == kind]


def test_an_epoch_that_is_told_again_is_noted_once(outbox, run):
    """As by a training that goes on from a checkpoint."""
    run.log_epoch(1, {"val_iou": 0.25})
    run.log_epoch(2, {"val_iou": 0.5})
    run.log_epoch(2, {"val_iou": 0.625})
    run.log_epoch(2, {"val_iou": 0.5, "lr": 0.1})
    assert [(entry["step"], entry["values"]) for entry in noted(outbox, METRICS)] == [
        (1, {"val_iou": 0.25}),
        (2, {"val_iou": 0.5}),
        (2, {"lr": 0.1}),
    ]


def test_scores_are_noted_again_where_they_have_changed(outbox, run):
    for best in (0.25, 0.25, 0.5):
        run.log_scores({"sweep_best_iou": best}, ["sweep.csv"])
    assert [entry["values"]["sweep_best_iou"] for entry in noted(outbox, METRICS)] == [0.25, 0.5]
    assert {entry["path"] for entry in noted(outbox, FILE)} == {"sweep.csv"}


def test_files_of_the_bundle_are_noted_by_where_they_lie_in_it(outbox, run):
    for name in ("configs/train.yaml", "docs/figures/a.png", "models/model.pt", "models/last.pt", "LICENSE"):
        (outbox.root / name).parent.mkdir(parents=True, exist_ok=True)
        (outbox.root / name).write_text(name)
    run.log_result(outbox.root, {"iou": 0.5})
    assert {entry["path"]: entry["into"] for entry in noted(outbox, FILE)} == {
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
def test_the_end_is_that_of_the_block_and_waits_less_where_it_was_broken_off(outbox, run, error, status, waits):
    def end():
        with ended_with_block(run):
            if error is not None:
                raise error

    if error is None:
        end()
    else:
        with pytest.raises(error):
            end()
    assert [entry["status"] for entry in noted(outbox, END)] == [status]
    assert run._uploader.waited == waits


def test_a_pruned_one_is_tagged_ahead_of_its_end(outbox, run):
    with pytest.raises(PrunedError), ended_with_block(run):
        raise PrunedError
    assert [entry["kind"] for entry in outbox.entries] == ["run", TAG, END]


@pytest.mark.parametrize("left", [0, 3])
def test_what_is_left_is_said_with_the_name_that_the_folder_will_have(outbox, left, tmp_path, caplog):
    TrackedRun(outbox, Silent(left), None).end("FINISHED")
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
