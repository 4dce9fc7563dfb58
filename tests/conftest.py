"""Fixtures for every folder of tests.

Pytest puts the folder of this file on the import path, so that any test may say `from worlds import write_folder`.
"""

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# Ahead of numpy and torch: worlds this small only lose by more threads, up to twentyfold beside another process.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each server would start four more processes for jobs that nobody gives it, each of which imports mlflow.
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"

# Dask's workers are forked as those of `fresh` are.
os.environ["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"

import pytest
from hypothesis import HealthCheck, settings

from livecell_monai.heap import collect_garbage_rarely
from tests.support.worlds import write_folder

collect_garbage_rarely()

# `short` tries the same few examples each time, `long` others each time: pytest -m hypothesis --hypothesis-profile long
SLOW_TO_DRAW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile(
    "short", deadline=None, database=None, max_examples=20, derandomize=True, suppress_health_check=SLOW_TO_DRAW
)
settings.register_profile(
    "long", deadline=None, database=None, max_examples=400, print_blob=True, suppress_health_check=SLOW_TO_DRAW
)
settings.load_profile("short")

#: files of tests that take longest, the longest first: started last, one of them would run on alone
LONGEST = (
    "test_pages",
    "test_api",
    "test_cli",
    "test_crossval",
    "test_workers",
    "test_predicting",
    "test_sweep",
    "test_devices_command",
    "test_tasks",
    "test_tracking",
    "test_learning_curve",
    "test_session",
    "test_checkpoints",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first; two processes share the others out between them (`--no-loadscope-reorder`)."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of three training and two test images (Y, X) of 96 x 112, without borders."""
    return write_folder(tmp_path / "data")


@pytest.fixture
def bordered(tmp_path: Path) -> Path:
    """The same with border weights."""
    return write_folder(tmp_path / "data", borders=True)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder with borders and a bundle trained on it, made once and only to be read."""
    from tests.support.small_training import write_trained

    return write_trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def separating(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """As `trained`, by a network that separates touching cells."""
    from tests.support.small_training import CELL_MAPS, write_trained

    return write_trained(tmp_path_factory.mktemp("separating"), maps=CELL_MAPS)


@pytest.fixture(scope="module")
def without_figures(trained: tuple[Path, Path]) -> Iterator[None]:
    """Trainings leave no curves and no page, which take longer than a training of seconds; `trained` has them."""
    from livecell_monai.report import page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "write_figures", lambda *args, **facts: None)
        yield


@pytest.fixture(scope="module")
def forked() -> Iterator[None]:
    """Processes that train together are forked from one that has imported what they need."""
    from tests.support.fresh import start_forked

    # by its full name: the package has a function of this one
    spawn = importlib.import_module("torch.multiprocessing.spawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spawn, "start_processes", start_forked)
        yield


@pytest.fixture(scope="session", autouse=True)
def create_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], None]]:
    """MLflow takes seconds to create a database: it creates one, all others are copies. Gives the function that creates."""
    from livecell_monai.experiments import store

    create = store._create_database
    first = tmp_path_factory.mktemp("store") / "mlflow.db"

    def copy(path: Path) -> None:
        if not first.exists():
            create(first)
        shutil.copyfile(first, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_create_database", copy)
        yield create


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without runs, only to be copied."""
    from livecell_monai.experiments.store import open_store

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
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
    from tests.support.tracking_server import serving

    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with serving(folder, f"sqlite:///{folder / 'mlflow.db'}") as uri:
        yield uri, folder
