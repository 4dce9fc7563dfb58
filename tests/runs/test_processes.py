"""Several processes that end together."""

import os
import time
from pathlib import Path

import pytest
from torch import distributed
from torch.multiprocessing.spawn import ProcessException

from livecell_monai.errors import BundleError, LiveCellError, find_user_error
from livecell_monai.runs.processes import _read_user_error, count_cores, run_in_processes


def lose(seconds):
    """The second one fails, and the first one waits for it."""
    distributed.init_process_group("gloo")
    distributed.barrier()
    if os.environ["RANK"] == "1":
        raise ZeroDivisionError("a fault of ours")
    distributed.barrier()
    time.sleep(seconds)


@pytest.mark.slow  # test_devices_command has one process end the others
def test_a_bug_in_one_process_ends_all_and_keeps_its_traceback():
    """Tests of the command cover user errors."""
    start = time.monotonic()
    with pytest.raises(ProcessException, match=r"Process 1 terminated(?s:.*)ZeroDivisionError: a fault of ours") as fault:
        run_in_processes(2, lose, 1000)
    assert time.monotonic() - start < 300
    assert find_user_error(fault.value) is None


def end_well(folder):
    """The second process fails; the first one needs a moment to record its end."""
    if os.environ["RANK"] == "1":
        raise BundleError("model: must be complete, it is not; train again")
    time.sleep(1)
    Path(folder, "ended").touch()


@pytest.mark.slow
def test_the_other_processes_have_time_to_end(forked, tmp_path):
    """Without this time, its run would stay open in MLflow."""
    with pytest.raises(BundleError, match="model: must be complete"):
        run_in_processes(2, end_well, str(tmp_path))
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(("kind", "expected"), [("BundleError", BundleError), ("Another", LiveCellError)])
def test_user_errors_keep_type_and_message(tmp_path, kind, expected):
    assert _read_user_error(tmp_path) is None
    (tmp_path / "1").write_text(f"{kind}\nmodel: a line: of words", encoding="utf-8")
    refusal = _read_user_error(tmp_path)
    assert (type(refusal), str(refusal)) == (expected, "model: a line: of words")


def test_cores_are_counted():
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
