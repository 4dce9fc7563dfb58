"""Several processes that end together; that they start together is seen in test_ranks."""

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
def test_a_fault_of_one_ends_all_and_keeps_its_traceback():
    """What the user can mend is seen in the tests of the command."""
    start = time.monotonic()
    with pytest.raises(ProcessException, match=r"Process 1 terminated(?s:.*)ZeroDivisionError: a fault of ours") as fault:
        run_in_processes(2, lose, 1000)
    assert time.monotonic() - start < 300
    assert find_user_error(fault.value) is None


def end_well(folder):
    """The second one fails; the first one needs a moment to put down how it ended."""
    if os.environ["RANK"] == "1":
        raise BundleError("model: must be whole, it is not; train anew")
    time.sleep(1)
    Path(folder, "ended").touch()


def test_one_that_has_lost_another_may_come_to_its_end(forked, tmp_path):
    """Or its run would stay open in MLflow: a kill in the middle of ending it is one too many."""
    with pytest.raises(BundleError, match="model: must be whole"):
        run_in_processes(2, end_well, str(tmp_path))
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(("kind", "expected"), [("BundleError", BundleError), ("Another", LiveCellError)])
def test_a_refusal_is_handed_on_in_kind_and_words(tmp_path, kind, expected):
    assert _read_user_error(tmp_path) is None
    (tmp_path / "1").write_text(f"{kind}\nmodel: a line: of words", encoding="utf-8")
    refusal = _read_user_error(tmp_path)
    assert (type(refusal), str(refusal)) == (expected, "model: a line: of words")


def test_cores_are_counted():
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
