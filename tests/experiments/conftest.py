"""Fixtures for sweeps."""

import pytest


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial counts as dead after two seconds without a heartbeat."""
    from livecell_monai.experiments import study, trials

    monkeypatch.setattr(study, "HEARTBEAT_S", 1)
    monkeypatch.setattr(study, "GRACE_S", 2)
    monkeypatch.setattr(trials, "LOOK_S", 0.1)
