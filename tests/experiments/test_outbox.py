"""Logged entries are on disk before they are sent, survive a kill, and are removed when all were sent."""

import errno
import os

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.experiments import outbox as module
from livecell_monai.experiments.outbox import END, ENTRIES, METRICS, Outbox, find_outboxes, open_outbox, set_aside


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model" / ".tracking"


def begin(outbox):
    outbox.begin(uri="sqlite:///mlflow.db", time=1, again=None)
    outbox.append(METRICS, step=1, time=2, values={"val_iou": 0.5}, once=True)


def kinds(outbox):
    return [(entry["n"], entry["kind"]) for entry in outbox.entries]


def test_entries_and_acknowledgements_are_read_back(path):
    with open_outbox(path) as outbox:
        begin(outbox)
        outbox.acknowledge(1, "abc")
    with open_outbox(path) as again:
        assert kinds(again) == [(1, "run"), (2, "metrics")]
        assert (again.sent, again.run_id) == (1, "abc")
        assert [entry["n"] for entry in again.waiting()] == [2]
        assert again.values("val_iou", 1) == {0.5}
        assert again.values("val_iou", 2) == set()
        assert again.first["id"] == outbox.first["id"]
        assert again.root == path.parent


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_cut_last_line_is_removed(path, cut):
    with open_outbox(path) as outbox:
        begin(outbox)
    file = path / "entries.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    with open_outbox(path) as outbox:
        assert kinds(outbox) == [(1, "run")]
        outbox.append(METRICS, step=1, time=2, values={"val_iou": 0.5}, once=True)
    with open_outbox(path) as outbox:
        assert kinds(outbox) == [(1, "run"), (2, "metrics")]
    assert file.read_bytes() == whole


def test_a_cut_first_line_leaves_no_entry(path):
    path.mkdir(parents=True)
    (path / "entries.jsonl").write_bytes(b'{"n": 1, "kind": "ru')
    with open_outbox(path) as outbox:
        assert outbox.entries == []
        begin(outbox)
        assert kinds(outbox) == [(1, "run"), (2, "metrics")]


def test_all_entries_wait_if_the_record_is_damaged(path):
    with open_outbox(path) as outbox:
        begin(outbox)
        outbox.acknowledge(2, "abc")
    (path / "record.json").write_text("{")
    with open_outbox(path) as outbox:
        assert len(outbox.waiting()) == 2


@pytest.mark.parametrize(
    "text", ["no JSON\n", "[]\n", '{"kind": "run"}\n', '{"n": 1, "kind": "end"}\n', '{"kind": "metrics"}\n']
)
def test_an_invalid_log_is_rejected(path, text):
    path.mkdir(parents=True)
    (path / "entries.jsonl").write_text(text)
    with (
        pytest.raises(DataError, match=r"expected the log of a tracked run, it cannot be read; remove .*\.tracking"),
        open_outbox(path),
    ):
        pytest.fail("it must be refused")
    assert (path / "entries.jsonl").read_text() == text


@pytest.mark.parametrize("text", [None, "", '{"kind": "run", "uri', "[1]\n", "{}\n"])
def test_no_uri_of_an_outbox_that_was_never_begun(path, text):
    if text is not None:
        path.mkdir(parents=True)
        (path / ENTRIES).write_text(text, encoding="utf-8")
    before = sorted(path.parent.rglob("*"))
    assert Outbox.read_uri(path) is None
    assert sorted(path.parent.rglob("*")) == before


def test_the_uri_of_an_outbox(path):
    with open_outbox(path) as outbox:
        begin(outbox)
        assert Outbox.read_uri(path) == outbox.first["uri"]


def test_one_process_at_a_time(path):
    with open_outbox(path) as outbox:
        begin(outbox)
        rule = "another process works in this folder; wait until it ends"
        with pytest.raises(SettingError, match=rule), open_outbox(path):
            pytest.fail("it must be refused")
    with open_outbox(path) as again:
        assert len(again.entries) == 2


class TestEnd:
    @pytest.mark.parametrize(
        ("status", "sent", "stays"), [("FINISHED", 3, False), ("FINISHED", 2, True), ("KILLED", 3, True), (None, 2, True)]
    )
    def test_it_is_removed_if_all_of_a_finished_run_was_sent(self, path, status, sent, stays):
        with open_outbox(path) as outbox:
            begin(outbox)
            if status:
                outbox.append(END, status=status, time=3)
            outbox.acknowledge(sent, "abc")
        assert path.exists() is stays
        assert path.parent.exists()
        assert find_outboxes(path.parent) == [path] * stays

    def test_an_empty_one_is_removed(self, path):
        with open_outbox(path):
            assert path.exists()
        assert not path.exists()

    def test_a_late_acknowledgement_changes_nothing(self, path):
        """An abandoned uploader is late."""
        with open_outbox(path) as outbox:
            begin(outbox)
        outbox.acknowledge(2, "abc")
        with open_outbox(path) as again:
            assert (again.sent, again.run_id) == (0, "")


def test_a_full_disk_is_reported_once_and_leaves_complete_lines(path, monkeypatch, caplog):
    """Entries that could not be written are sent while the process lives."""

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_outbox(path) as outbox:
        begin(outbox)
        before = (path / "entries.jsonl").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "fsync", fail)
            for step in (2, 3):
                outbox.append(METRICS, step=step, time=2, values={"val_iou": 0.5}, once=True)
        assert (path / "entries.jsonl").read_bytes() == before
        assert len(outbox.waiting()) == 4
        outbox.append(METRICS, step=4, time=2, values={"val_iou": 0.5}, once=True)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path / 'entries.jsonl'}: cannot be written (No space left on device), the training continues"
    ]
    with open_outbox(path) as again:
        assert kinds(again) == [(1, "run"), (2, "metrics"), (5, "metrics")]


class TestSetAside:
    def test_unsent_entries_are_moved_to_the_study(self, tmp_path):
        root, partial = tmp_path / "sweep", tmp_path / "sweep" / "trial_0001.partial"
        with open_outbox(partial / ".tracking") as outbox:
            begin(outbox)
        set_aside(partial, root)
        assert list(partial.iterdir()) == []
        (kept,) = find_outboxes(root)
        assert kept.parent == root
        with open_outbox(kept) as again:
            assert again.entries == outbox.entries

    def test_a_sent_outbox_is_not_moved(self, tmp_path):
        partial = tmp_path / "trial_0001.partial"
        with open_outbox(partial / ".tracking") as outbox:
            begin(outbox)
            outbox.append(END, status="KILLED", time=3)
            outbox.acknowledge(3, "abc")
        set_aside(partial, tmp_path)
        assert find_outboxes(tmp_path) == [partial / ".tracking"]

    def test_a_missing_folder_is_ignored(self, tmp_path):
        set_aside(tmp_path / "none", tmp_path)
        assert list(tmp_path.iterdir()) == []
