"""Where runs are kept: any MLflow store, or SQLite beside an artifact folder."""

import logging
import os
import shutil
import sqlite3
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from livecell_monai.errors import SettingError

DATABASE = "mlflow.db"  # the name that MLflow's own commands look for in the working folder
ARTIFACTS = "mlartifacts"
ANSWER_S = 10  # that a server has for each answer, where MLFLOW_HTTP_REQUEST_TIMEOUT names no other number
SILENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # what MLflow makes of no answer, of 500 and of 503
NOISY = ("alembic", "mlflow.store.db.utils")  # tell of every table that they make, and of each lock that they wait for


class SilentStoreError(SettingError):
    """A server that does not answer now: what is asked of it may be right, and it may answer later."""


def choose_uri(uri: str = "auto") -> str:
    """The tracking URI: the one given, or that of the environment, or SQLite in the working folder."""
    if uri != "auto":
        return uri
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / DATABASE}"


def open_store(uri: str, create: bool = True, answer_s: int = ANSWER_S) -> Any:
    """An MLflow client.

    Args:
        uri: of a database or a server.
        create: whether a SQLite database that is not there yet is made.
        answer_s: seconds that a server has for each answer.

    Raises:
        SilentStoreError: where a server does not answer.
        SettingError: where the store cannot be reached.
    """
    if uri.startswith("file:") or "://" not in uri:
        raise SettingError(
            f"setting tracking_uri must be a database or a server, MLflow keeps no runs in folders any more, got {uri!r}; "
            "use sqlite:///PATH/mlflow.db or http://HOST:PORT"
        )
    path = _database(uri)
    if path is not None and not create and not path.exists():
        raise SettingError(f"{path}: the store of runs must be there, found none; train first, or name another by --uri")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _answering(uri):
            if path is None:
                with patient(answer_s):
                    return _client(uri)
            return _open_database(uri, path)


def build_client(uri: str) -> Any:
    """A client of a server that need not answer: nothing is asked of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        return MlflowClient(uri)


def is_server(uri: str) -> bool:
    """Whether a store is asked over a network."""
    return _database(uri) is None


def find_experiment(client: Any, uri: str, name: str) -> str:
    """The id of an experiment, made where there is none; its artifacts lie beside a SQLite database.

    Raises:
        SilentStoreError: where a server does not answer.
        SettingError: where the experiment is deleted or the store takes no such name.
    """
    from mlflow.exceptions import MlflowException

    path = _database(uri)
    location = None if path is None else (path.parent / ARTIFACTS).resolve().as_uri()
    with _answering(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                client.create_experiment(name, artifact_location=location)
                found = client.get_experiment_by_name(name)
            except MlflowException as error:
                found = client.get_experiment_by_name(name)  # another process may have been faster
                if found is None and error.error_code in SILENT:
                    raise
                if found is None:
                    raise SettingError(
                        f"setting experiment must be a name that the store takes, got {name!r}: {find_reason(error)}; "
                        "correct it"
                    ) from error
        if found is None or not found.experiment_id:
            raise ConnectionError("the answer was cut")
    if found.lifecycle_stage != "active":
        raise SettingError(
            f"setting experiment must be one that is not deleted, got {name!r}; choose another name, or restore it: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return str(found.experiment_id)


@contextmanager
def _answering(uri: str) -> Iterator[None]:
    """Tell in one line what a store makes of a call."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        is_silent = uri.startswith("http") and getattr(error, "error_code", SILENT[0]) in SILENT
        raise (SilentStoreError if is_silent else SettingError)(
            f"setting tracking_uri must be a store that answers, got {uri!r}: {find_reason(error)}; start or correct it, or "
            "train with track=false"
        ) from error


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep MLflow from drawing a bar for every file that it copies."""
    with _environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false"):
        yield


@contextmanager
def as_default(uri: str) -> Iterator[None]:
    """Make a store the one of the process: the registry in a database asks that for models, whatever client it serves."""
    with _environment(MLFLOW_TRACKING_URI=uri):
        yield


@contextmanager
def patient(answer_s: int = ANSWER_S) -> Iterator[None]:
    """Ask servers once and wait so long: by itself MLflow asks one that is not there for minutes. And print no address."""
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(answer_s)}
    with _environment(
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        **{name: os.environ.get(name, value) for name, value in patience.items()},
    ):
        yield


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Environment variables for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _open_database(uri: str, path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    # two processes that create the tables at once break each other
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.exists() or path.stat().st_size == 0:
            _create_database(path)
        # MLflow tries for minutes to open a file that is no database
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
        return _client(uri)


def _create_database(path: Path) -> None:
    """Make the tables aside: a process killed between them leaves a database that MLflow refuses for good."""
    aside = path.with_name(f".{path.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        made = aside / path.name
        _client(f"sqlite:///{made}")._tracking_client.store._dispose_engine()
        os.replace(made, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def find_reason(error: BaseException) -> str:
    """What lies at the bottom of an error, on one line."""
    while (below := error.__cause__ or error.__context__) is not None and not isinstance(below, LookupError):
        error = below
    return textwrap.shorten(str(error) or type(error).__name__, 240, placeholder=" ...")


def _database(uri: str) -> Path | None:
    """The file of a SQLite store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
