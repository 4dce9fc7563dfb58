"""What is handed to a training beside its settings reaches the part that it is for."""

from pathlib import Path
from types import SimpleNamespace

from livecell_monai.training.budget import Budget
from livecell_monai.training.run_context import RunContext


def test_reaches_session_checkpoints_tracker_and_budget():
    session = SimpleNamespace(tracker=SimpleNamespace(), checkpoints=SimpleNamespace())
    budget = Budget(1.0, 3)
    assert budget.called != 5.0
    RunContext(5.0, None, Path("plan.yaml"), "run", print, force=True).apply(SimpleNamespace(session=session, budget=budget))
    assert (session.plan, session.on_epoch) == (Path("plan.yaml"), print)
    assert (session.tracker.parent, session.checkpoints.force, session.checkpoints.question) == ("run", True, None)
    assert budget.called == 5.0
