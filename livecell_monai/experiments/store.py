"""Where MLflow keeps runs: a server, or a SQLite database beside an artifact folder."""

import logging
import os
import re
import shutil
import sqlite3
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from livecell_monai.errors import MASK, SettingError, mask_secrets

DATABASE = "mlflow.db"  # in the working folder, where MLflow's own commands look for it
ARTIFACTS = "mlartifacts"
ANSWER_S = 10  # seconds that a server has for each answer; MLFLOW_HTTP_REQUEST_TIMEOUT overrides it
SILENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # MLflow's codes for no answer, 500 and 503
HEADLINE = "iou"  #: the one metric of every run: of the bundle's validation, or of a study's held-out images
#: the first opens an experiment as model training in some versions of MLflow 3, the other names its headline metric
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development", "mlflow.experiment.primaryMetric.name": HEADLINE}
UI = "http://127.0.0.1:5000"  # where `mlflow ui` listens
NOISY = ("alembic", "mlflow.store.db.utils")  # log every table that they create and every lock that they wait for


class SilentStoreError(SettingError):
    """A server does not answer now; it may answer later."""


def choose_uri(uri: str = "auto", earlier: str | None = None) -> str:
    """The tracking URI: the given one, else that of the environment, the earlier one of the run, or SQLite in this folder.

    For a URI from a record, which lacks its secrets, the environment must have the whole one; a SettingError if not.
    """
    usual = os.environ.get("MLFLOW_TRACKING_URI")
    if uri == "auto":
        uri = usual or earlier or _write_uri(Path.cwd() / DATABASE)
    if MASK not in uri or uri != mask_secrets(uri):
        return uri
    if usual is None or mask_secrets(usual) != uri:
        rule = "setting tracking_uri must have its password, which no run records"
        raise SettingError(f"{rule}, got {uri}; set MLFLOW_TRACKING_URI to the whole URI, or give it again")
    return usual


def find_database(uri: str) -> Path | None:
    """The file of a SQLite store; None for another store."""
    if not re.match(r"sqlite(\+\w+)?:///", uri):
        return None
    from sqlalchemy.engine import make_url

    return Path(make_url(uri).database or "")


def open_store(uri: str, create: bool = True, answer_s: int = ANSWER_S) -> Any:
    """An MLflow client; without `create`, a SQLite database must exist.

    Raises:
        SilentStoreError: a server does not answer within `answer_s` seconds.
        SettingError: the store cannot be reached.
    """
    if uri.startswith("file:") or "://" not in uri:
        raise SettingError(
            f"setting tracking_uri must be a database or a server, MLflow keeps no runs in folders any more, got "
            f"{MASK + uri[uri.rindex('@') :] if '@' in uri else uri!r}; use sqlite:///PATH/mlflow.db or http://HOST:PORT"
        )
    path = find_database(uri)
    if path is not None and "?" in uri:  # SQLAlchemy ends the path there, and would write beside the folder
        raise SettingError(
            f"setting tracking_uri must be a database whose path has no question mark, got {uri!r}; write it as %3F, or "
            "name another store"
        )
    uri = uri if path is None else _write_uri(path)
    if path is not None and not create and not path.exists():
        raise SettingError(f"{path}: the MLflow store does not exist; train first, or name another store by --uri")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with quiet_mlflow(answer_s), store_errors(uri):
        return _connect(uri) if path is None else _open_database(uri, path)


def find_experiment(client: Any, uri: str, name: str) -> str:
    """The id of an experiment, created if needed; its artifacts are kept beside a SQLite database.

    Raises a SettingError if a server does not answer, the experiment is deleted, or the store rejects the name.
    """
    from mlflow.exceptions import MlflowException

    path = find_database(uri)
    location = None if path is None else _locate_artifacts(path)
    with store_errors(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                client.create_experiment(name, location, EXPERIMENT_TAGS)
            except MlflowException as error:
                if client.get_experiment_by_name(name) is None:  # else another process was faster
                    if error.error_code in SILENT:
                        raise
                    raise SettingError(
                        f"setting experiment must be a name that the store accepts, got {name!r}: {find_reason(error)}; "
                        "correct it"
                    ) from error
            found = client.get_experiment_by_name(name)
        if found is None or not found.experiment_id:
            raise ConnectionError("the answer was cut")
    if found.lifecycle_stage != "active":
        raise SettingError(
            f"setting experiment must be one that is not deleted, got {name!r}; choose another name, or restore it: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return str(found.experiment_id)


def show_run(uri: str, experiment: str, run_id: str) -> str:
    """Where a browser shows a run, by its ids: the address, after the command that serves a database there.

    The address asks for the pages of model training, because MLflow 3 opens those of language models otherwise.
    """
    page = f"#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning"
    if uri.startswith("http"):
        return f"{re.sub('//[^/@]*@', '//', uri).partition('?')[0].rstrip('/')}/{page}"
    is_usual = find_database(uri) == Path.cwd() / DATABASE
    return f"mlflow ui{'' if is_usual else f' --backend-store-uri {mask_secrets(uri)}'}, then {UI}/{page}"


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn any error of a store into a one-line SettingError, or a SilentStoreError if a server does not answer."""
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
def quiet_mlflow(answer_s: int | None = None, **variables: str) -> Iterator[None]:
    """`mlflow_environment` without warnings."""
    with warnings.catch_warnings(), mlflow_environment(answer_s, **variables):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def mlflow_environment(answer_s: int | None = None, **variables: str) -> Iterator[None]:
    """Set environment variables during the block, and switch off MLflow's progress bars and printed addresses.

    With `answer_s`, a server is asked once and has so many seconds, unless the environment sets other limits.
    """
    variables |= {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
    if answer_s is not None:
        limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(answer_s)}
        variables |= {name: os.environ.get(name, value) for name, value in limits.items()}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def find_reason(error: BaseException) -> str:
    """The root cause of an error, on one line."""
    while (below := error.__cause__ or error.__context__) is not None and not isinstance(below, LookupError):
        error = below
    return textwrap.shorten(mask_secrets(str(error)) or type(error).__name__, 240, placeholder=" ...")


def _write_uri(path: Path) -> str:
    """The URI of a SQLite file. From 2.1 on, SQLAlchemy unquotes it; MLflow does not, and would create another folder."""
    uri = f"sqlite:///{path}"
    if find_database(uri) == path and "?" not in uri:
        return uri
    # MLflow leaves a URI with a driver alone
    return f"sqlite+pysqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def _open_database(uri: str, path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    # two processes that create the tables at once break each other
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.exists() or path.stat().st_size == 0:
            _create_database(path)
        # MLflow tries for minutes to open a file that is no database
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
        return _connect(uri)


def _create_database(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # in a separate folder, because MLflow rejects a half-made database for good
    aside = path.with_name(f".{path.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        # MLflow builds SQL from the place of artifacts: only a URI has no quotes and colons there
        SqlAlchemyStore(_write_uri(aside / path.name), _locate_artifacts(path))._dispose_engine()
        os.replace(aside / path.name, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _locate_artifacts(database: Path) -> str:
    return (database.parent / ARTIFACTS).resolve().as_uri()


def _connect(uri: str) -> Any:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client
