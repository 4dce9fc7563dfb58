"""Where runs are kept: any MLflow store, or SQLite beside an artifact folder."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

from filelock import FileLock

from livecell_monai.errors import SettingError

DATABASE = "mlflow.db"  # the name that MLflow's own commands look for in the working folder
ARTIFACTS = "mlartifacts"


def choose_uri(uri: str = "auto") -> str:
    """The tracking URI: the one given, or that of the environment, or SQLite in the working folder."""
    if uri != "auto":
        return uri
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / DATABASE}"


def open_store(uri: str) -> Any:
    """An MLflow client.

    Raises:
        SettingError: where the store cannot be reached.
    """
    if uri.startswith("file:") or "://" not in uri:
        raise SettingError(
            f"setting tracking_uri must be a database or a server, MLflow keeps no runs in folders any more, got {uri!r}; "
            "use sqlite:///PATH/mlflow.db or http://HOST:PORT"
        )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            path = _database(uri)
            if path is None:
                client = MlflowClient(uri)
                client.search_experiments(max_results=1)
                return client
            path.parent.mkdir(parents=True, exist_ok=True)
            # two processes that create the tables at once break each other
            with FileLock(path.with_name(f".{path.name}.lock")):
                client = MlflowClient(uri)
                client.search_experiments(max_results=1)
                return client
        except (MlflowException, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            raise SettingError(
                f"setting tracking_uri must be a store that answers, got {uri!r}: {reason}; start it, or set track=false"
            ) from error


def find_experiment(client: Any, uri: str, name: str) -> str:
    """The id of an experiment, made where there is none; its artifacts lie beside a SQLite database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = _database(uri)
        location = None if path is None else (path.parent / ARTIFACTS).resolve().as_uri()
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=location))


def _database(uri: str) -> Path | None:
    """The file of a SQLite store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
