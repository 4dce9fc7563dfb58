"""Stores of runs: making one takes seconds, copying one does not."""

import shutil
from pathlib import Path

import pytest

from livecell_monai.experiments.store import open_store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without runs, only to be copied."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> str:
    """The URI of a store without runs, in a folder of its own."""
    path = tmp_path / "runs" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(empty_store, path)
    return f"sqlite:///{path}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial counts as dead after two seconds without a sign of life."""
    from livecell_monai.experiments import study, trials

    monkeypatch.setattr(study, "HEARTBEAT_S", 1)
    monkeypatch.setattr(study, "GRACE_S", 2)
    monkeypatch.setattr(trials, "LOOK_S", 0.1)
