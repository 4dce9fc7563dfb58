"""What a training asks of its tracker is what ours takes."""

import inspect

from livecell_monai.experiments.tracking import RunTracker, TrackedRun
from livecell_monai.workflow.tracked import Run, Tracker


def names(function):
    return list(inspect.signature(function).parameters)


def test_ours_is_one():
    assert names(RunTracker.start) == names(Tracker.start)
    for method in ("log_epoch", "log_result"):
        assert names(getattr(TrackedRun, method)) == names(getattr(Run, method))
