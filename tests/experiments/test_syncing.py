"""Remaining entries of trainings are sent by a later call."""

import shutil

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.experiments import syncing
from livecell_monai.experiments.outbox import AGAIN, END, METRICS, open_outbox
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.syncing import Synced, sync


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(syncing, "PAUSE_S", 0.0)


def write_outbox(folder, store, epochs=2, end="FINISHED", hidden=".tracking"):
    """Write the outbox of a training whose store does not answer; `end` is None for a killed one."""
    with open_outbox(folder / hidden) as outbox:
        if not outbox.entries:
            outbox.begin(
                uri=store,
                experiment="livecell",
                name=folder.name,
                tags={},
                params={},
                data="cells",
                files={},
                time=1,
                again=None,
            )
        else:
            outbox.append(AGAIN)
        for epoch in range(len([e for e in outbox.entries if e["kind"] == METRICS]) + 1, epochs + 1):
            outbox.append(METRICS, step=epoch, time=epoch, values={"val_iou": epoch / 4}, once=True)
        if end is not None:
            outbox.append(END, status=end, time=epochs + 1)
    return folder


def runs_of(store):
    """Name, status, end and epochs of each run."""
    client = open_store(store)
    runs = client.search_runs([client.get_experiment_by_name("livecell").experiment_id])
    steps = {run.info.run_id: [one.step for one in client.get_metric_history(run.info.run_id, "val_iou")] for run in runs}
    return sorted((run.info.run_name, run.info.status, run.info.end_time, steps[run.info.run_id]) for run in runs)


def test_each_entry_is_sent_once(store, tmp_path):
    folder = write_outbox(tmp_path / "model", store)
    (done,) = sync(folder)
    assert done == Synced(folder, done.run_id, store, 4)
    assert open_store(store).get_run(done.run_id).info.run_name == "model"
    assert runs_of(store) == [("model", "FINISHED", 3, [1, 2])]
    assert list(folder.iterdir()) == []


def test_a_killed_training_ends_as_killed_and_can_resume_its_run(store, tmp_path):
    folder = write_outbox(tmp_path / "model", store, end=None)
    (first,) = sync(folder)
    assert runs_of(store) == [("model", "KILLED", 2, [1, 2])]
    assert list(sync(folder)) == []
    write_outbox(folder, store, epochs=3)
    (second,) = sync(folder)
    assert second.run_id == first.run_id
    assert runs_of(store) == [("model", "FINISHED", 4, [1, 2, 3])]


def test_a_study_with_its_parts(store, tmp_path):
    study = write_outbox(tmp_path / "folds", store)
    for name in ("fold_1", "fold_2"):
        write_outbox(study / name, store)
    write_outbox(study, store, hidden=".tracking-0123")
    assert [done.folder.name for done in sync(study)] == ["folds", "folds", "fold_1", "fold_2"]
    assert [run[0] for run in runs_of(store)] == ["fold_1", "fold_2", "folds", "folds"]


def test_a_store_that_has_moved_continues_the_run(store, tmp_path):
    folder = write_outbox(tmp_path / "model", store, end=None)
    (first,) = sync(folder)
    write_outbox(folder, store, epochs=3)
    moved = tmp_path / "moved" / "mlflow.db"
    shutil.copytree(tmp_path / "runs", moved.parent)
    (second,) = sync(folder, f"sqlite:///{moved}")
    assert (second.run_id, second.sent) == (first.run_id, 3)
    assert runs_of(f"sqlite:///{moved}") == [("model", "FINISHED", 4, [1, 2, 3])]


def test_a_store_without_the_run_receives_all_of_it(store, empty_store, tmp_path):
    folder = write_outbox(tmp_path / "model", store, end=None)
    list(sync(folder))
    write_outbox(folder, store, epochs=3)
    other = tmp_path / "other.db"
    shutil.copyfile(empty_store, other)
    list(sync(folder, f"sqlite:///{other}"))
    assert runs_of(f"sqlite:///{other}") == [("model", "FINISHED", 4, [1, 2, 3])]


def test_a_rejection_by_the_store_is_reported_with_the_remedy(store, tmp_path):
    folder = write_outbox(tmp_path / "model", store, end=None)
    (done,) = sync(folder)
    open_store(store).delete_run(done.run_id)
    write_outbox(folder, store, epochs=3)
    before = (folder / ".tracking" / "entries.jsonl").read_bytes()
    with pytest.raises(
        SettingError, match=r"must accept the remaining 3 entries, it does not: .*active.*; correct that and call"
    ):
        list(sync(folder))
    assert (folder / ".tracking" / "entries.jsonl").read_bytes() == before
    open_store(store).restore_run(done.run_id)
    list(sync(folder))
    assert runs_of(store) == [("model", "FINISHED", 4, [1, 2, 3])]


def test_a_running_training_is_rejected(store, tmp_path):
    with open_outbox(tmp_path / "model" / ".tracking") as outbox:
        outbox.begin(uri=store, time=1, again=None)
        with pytest.raises(SettingError, match="another process works in this folder"):
            list(sync(tmp_path / "model"))
        assert len(outbox.entries) == 1


@pytest.mark.parametrize("cut", ["", '{"kind": "run", "uri'])
def test_an_outbox_whose_first_line_was_never_completed(tmp_path, cut):
    (tmp_path / "model" / ".tracking").mkdir(parents=True)
    (tmp_path / "model" / ".tracking" / "entries.jsonl").write_text(cut)
    assert list(sync(tmp_path / "model", "http://127.0.0.1:1")) == []
    assert list((tmp_path / "model").iterdir()) == []


def test_a_study_within_a_study(store, tmp_path):
    inner = write_outbox(tmp_path / "folds" / "without_start" / "fold_1", store)
    (done,) = sync(tmp_path / "folds")
    assert done.folder == inner


@pytest.mark.parametrize("sign", ["configs/metadata.json", "models/model.pt", "crossval.json"])
def test_no_store_is_asked_if_nothing_is_left(tmp_path, sign):
    (tmp_path / sign).parent.mkdir(exist_ok=True)
    (tmp_path / sign).write_text("")
    assert list(sync(tmp_path, "http://127.0.0.1:1")) == []


def test_another_folder_is_rejected(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(
            SettingError, match=f"^{folder}: must be the folder of a training or of a study, it is not; name"
        ):
            list(sync(folder))
