"""Where workers come from, what they may use, and what they must have."""

import os
import sys
import time

import psutil
import pytest

from livecell_monai.distributed.dask import check_workers, cluster, connect
from livecell_monai.distributed.dask.cluster import check_shared_folders
from livecell_monai.errors import SettingError
from livecell_monai.outputs.unfinished import UnfinishedRun


def listening(process):
    return {link.laddr.ip for link in process.net_connections("tcp") if link.status == psutil.CONN_LISTEN}


@pytest.mark.slow
def test_nothing_listens_elsewhere_than_on_loopback(workers):
    own = psutil.Process()
    addresses = set.union(*(listening(process) for process in [own, *own.children(recursive=True)]))
    assert addresses == {"127.0.0.1"}
    assert workers.address.startswith("tcp://127.0.0.1:")


@pytest.mark.slow
def test_each_has_a_process_and_its_share_of_threads_and_memory(workers):
    def look():
        return os.getpid(), os.environ["OMP_NUM_THREADS"], os.environ.get("MALLOC_TRIM_THRESHOLD_")

    found = list(workers.client.run(look).values())
    assert len({pid for pid, _, _ in found} | {os.getpid()}) == 3
    # OMP_NUM_THREADS of whoever starts the workers stands over their share
    assert {threads for _, threads, _ in found} == {os.environ["OMP_NUM_THREADS"]}
    assert {trim for _, _, trim in found} == {os.environ.get("MALLOC_TRIM_THRESHOLD_")}
    state = workers.client.scheduler_info()["workers"].values()
    assert [worker["nthreads"] for worker in state] == [1, 1]
    assert 0 < sum(worker["memory_limit"] for worker in state) <= 0.9 * psutil.virtual_memory().total
    assert workers.count() == 2


@pytest.mark.slow
def test_a_line_says_where_the_dashboard_is(workers):
    assert str(workers).startswith("2 workers, ")
    assert str(workers).endswith("/status")
    assert "dashboard http://127.0.0.1:" in str(workers)


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:9", "tcp://no-such-host.invalid:8786", "rubbish://x", "127.0.0.1:99999"]
)
def test_a_scheduler_that_is_not_there(address, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1.5)
    start = time.monotonic()
    rule = r"^--scheduler .*: a scheduler must answer, got: .*"
    with pytest.raises(SettingError, match=rule) as refused, connect(scheduler=address):
        pass
    assert time.monotonic() - start < 5
    assert "\n" not in str(refused.value)


def test_a_scheduler_without_workers(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(cluster, "WORKERS_TIMEOUT", 0.5)
    options = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": None, "processes": False, "protocol": "tcp"}
    with LocalCluster(**options) as empty:
        address = empty.scheduler_address
        with pytest.raises(SettingError, match="the scheduler must have workers, found none"), connect(scheduler=address):
            pass


def test_a_first_answer_of_several_messages_is_asked_for_again(monkeypatch):
    import distributed

    answers = [AssertionError(), AssertionError(), "client"]

    def answer(address, **options):
        first = answers.pop(0)
        if isinstance(first, AssertionError):
            raise first
        return first

    monkeypatch.setattr(distributed, "Client", answer)
    assert cluster._open_client("tcp://127.0.0.1:8786") == "client"
    answers[:] = [AssertionError() for _ in range(cluster.ATTEMPTS)]
    with pytest.raises(AssertionError):
        cluster._open_client("tcp://127.0.0.1:8786")


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(SettingError, match="--workers must be 1 or more, got 0"):
        check_workers(0, None)
    with pytest.raises(SettingError, match="--workers and --scheduler must not be given together"):
        check_workers(2, "tcp://127.0.0.1:8786")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingError, match=r"pip install 'livecell-monai\[dask\]'"):
        check_workers(2, None)


@pytest.mark.slow
def test_folders_that_every_worker_sees(workers, trained, tmp_path):
    UnfinishedRun(tmp_path).start()
    record = tmp_path / ".unfinished" / "record.json"
    check_shared_folders(workers, [str(trained[1] / "configs"), str(record)], str(tmp_path))


@pytest.mark.slow
def test_a_folder_that_a_worker_does_not_see(workers, trained, tmp_path):
    with pytest.raises(
        SettingError, match=r"tcp://127.*: a worker must .* see the same folders, it lacks .*record.json; install"
    ):
        check_shared_folders(workers, [str(trained[1]), str(tmp_path / "none" / "record.json")], str(tmp_path))


def test_a_worker_without_the_package(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cluster._build_check([], "/")() == "livecell-monai"
