"""What a training asks of its tracker is what ours takes."""

import contextlib
import inspect

import pytest

from livecell_monai.experiments.tracking import RunTracker, TrackedRun
from livecell_monai.training.tracker import Run, Tracker, noted


def names(function):
    return list(inspect.signature(function).parameters)


def test_ours_is_one():
    assert names(RunTracker.start) == names(Tracker.start)
    for method in ("log_epoch", "log_result"):
        assert names(getattr(TrackedRun, method)) == names(getattr(Run, method))


class Slow:
    """A run that its store gives an id at its end, as a server does that was dead at the start."""

    def __init__(self):
        self.run_id = ""

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.run_id = "late"


def test_the_id_of_a_run_is_noted_when_there_is_one_however_it_ends():
    ids = []
    with contextlib.suppress(KeyboardInterrupt), noted(Slow(), ids.append) as run:
        assert ids == [""]
        assert run.run_id == ""
        raise KeyboardInterrupt
    assert ids == ["", "late"]


def test_a_run_that_cannot_be_opened_is_noted_by_nothing():
    ids = []
    with pytest.raises(AttributeError), noted(contextlib.nullcontext(), ids.append):
        pytest.fail("there is no run")
    assert ids == []
