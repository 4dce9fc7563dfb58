"""A trained bundle by the names that it goes by: its folder, its run in MLflow, its version in the model registry."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livecell_monai.errors import SettingError
from livecell_monai.experiments.store import choose_uri, open_store, without_bars

IN_MODEL = "data/bundle"  #: where a registered model keeps its bundle
_MODELS = "models:/"


@contextmanager
def located(name: str | Path, uri: str = "auto") -> Iterator[Path]:
    """The folder of a bundle for the time of the block, as `locate_bundle` finds it."""
    with tempfile.TemporaryDirectory() as folder:
        yield locate_bundle(name, Path(folder), uri)


def locate_bundle(name: str | Path, into: Path, uri: str = "auto") -> Path:
    """The folder of a bundle, downloaded where it lies in MLflow.

    Args:
        name: a bundle folder, the id or name of a run, or a registered model: `models:/NAME/VERSION`, `models:/NAME@ALIAS`.
        into: folder that a download goes to.
        uri: tracking URI, as for `choose_uri`.

    Raises:
        SettingError: where there is no such folder, run or model, or it has no bundle.
    """
    if Path(name).is_dir():
        return Path(name)
    if str(name).startswith(_MODELS):
        return _fetch_model(open_store(choose_uri(uri), create=False), str(name), into)
    client = open_store_for(name, uri)
    run = find_run(client, str(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException

        if not any(entry.path == "bundle" for entry in client.list_artifacts(run.info.run_id)):
            raise SettingError(f"run {name}: it must have a bundle among its artifacts, found none; name another run")
        try:
            with without_bars():
                return Path(client.download_artifacts(run.info.run_id, "bundle", str(into)))
        except (MlflowException, OSError) as error:
            raise SettingError(f"run {name}: its bundle must be readable, it is not: {error}; name the folder") from error


def open_store_for(name: str | Path, uri: str) -> Any:
    """The client of the store that is to hold a run of a name, for a name that is no folder.

    Raises:
        SettingError: where the name can only have been meant as a folder, or there is no such store.
    """
    if Path(name).name != str(name):
        raise SettingError(f"{name}: must be a bundle folder, there is none; name the folder that training left, or a run")
    try:
        return open_store(choose_uri(uri), create=False)
    except SettingError as error:
        raise SettingError(f"{name}: is no folder here, and no run can be looked up: {error}") from error


def find_run(client: Any, name: str) -> Any:
    """The MLflow run of an id or of a name, in any experiment of the store.

    Raises:
        SettingError: where there is none, or several bear the name.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException

        try:
            return client.get_run(name)
        except MlflowException:
            ids = [entry.experiment_id for entry in client.search_experiments()]
            quote = '"' if "'" in name else "'"  # the query knows no way to escape either
            query = f"attributes.run_name = {quote}{name}{quote}"
            found = client.search_runs(ids, query, max_results=2) if ids and quote not in name else []
    if len(found) > 1:
        raise SettingError(f"run {name}: the name must be that of one run, there are several; give its id")
    if not found:
        raise SettingError(f"run {name}: must be a folder, or the id or name of a run, there is none; see livecell compare")
    return found[0]


def _fetch_model(client: Any, name: str, into: Path) -> Path:
    model, at, alias = name.removeprefix(_MODELS).partition("@")
    model, slash, version = (model, at, alias) if at else model.partition("/")
    if not (model and slash and version) or "/" in version or not (at or version.isdecimal()):
        raise SettingError(f"{name}: a registered model must be {_MODELS}NAME/VERSION or {_MODELS}NAME@ALIAS; correct it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            number = client.get_model_version_by_alias(model, alias).version if at else version
            source = client.get_model_version_download_uri(model, number).rstrip("/")
        except MlflowException as error:
            reason = " ".join(str(error).split())[:200]
            raise SettingError(f"{name}: must be a model of the registry, it is not: {reason}; register it first") from error
        try:
            uri = client.tracking_uri
            with without_bars():
                return Path(
                    download_artifacts(f"{source}/{IN_MODEL}", dst_path=str(into), tracking_uri=uri, registry_uri=uri)
                )
        except (MlflowException, OSError) as error:
            raise SettingError(
                f"{name}: must be a model that livecell register has put there, it has no {IN_MODEL}; name another"
            ) from error
