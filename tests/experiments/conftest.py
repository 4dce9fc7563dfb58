"""Stores of runs: making one takes seconds, copying one does not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracking_server import serving

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


@pytest.fixture(scope="session")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real server's URI, and the folder whose `kept/` its artifacts go to; a test takes an experiment of its own."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with serving(folder, f"sqlite:///{folder / 'mlflow.db'}") as uri:
        yield uri, folder
