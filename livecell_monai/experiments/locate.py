"""Finds a trained bundle by its folder, its MLflow run, or its version in the model registry."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from livecell_monai.bundle.foreign.files import BUNDLE, ONNX, is_foreign
from livecell_monai.bundle.start import START, write_start_bundle
from livecell_monai.errors import SettingError
from livecell_monai.experiments.store import choose_uri, find_reason, open_store, quiet_mlflow

IN_MODEL = "data/bundle"  #: path of the bundle in a registered model
_MODELS = "models:/"


@contextmanager
def located(name: str | Path, uri: str = "auto") -> Iterator[Path]:
    """The folder of a bundle during the block, see `locate_bundle`."""
    with tempfile.TemporaryDirectory() as folder:
        yield locate_bundle(name, Path(folder), uri)


def locate_bundle(name: str | Path, into: Path, uri: str = "auto") -> Path:
    """The folder of a bundle, downloaded into another one if it is in MLflow; a model of another tool as it is.

    The name is a folder, the id or name of a run, or a registered model: `models:/NAME/VERSION`, `models:/NAME@ALIAS`; or
    `start`, the start that the package ships, if there is no folder of this name; or a bioimage.io package or ONNX file.

    Raises a SettingError if there is no such folder, run or model, or it has no bundle; a BundleError without a start.
    """
    if Path(name).is_dir() or is_foreign(name):
        return Path(name)
    if str(name) == START:
        return write_start_bundle(into)
    if Path(name).is_file():
        remedy = "name the folder that training left"
        if is_zipfile(name) and _holds_bundle(Path(name)):
            remedy = f"unpack it by python -m zipfile -e {name} {Path(name).stem}, then name {Path(name).stem}"
        elif is_zipfile(name):
            raise SettingError(
                f"{name}: a zip must be a bioimage.io package with rdf.yaml, it has none; name a package or a folder"
            )
        elif Path(name).suffix.lower() == ".zip":
            raise SettingError(
                f"{name}: must be a complete zip, this one is damaged or cut off ({Path(name).stat().st_size:,} bytes); "
                "download or copy it again"
            )
        raise SettingError(f"{name}: a bundle must be a folder, this is a file; {remedy}")
    if Path(name).suffix.lower() in (".zip", ONNX):
        raise SettingError(f"{name}: must be a bioimage.io package or an ONNX file, there is no such file; correct the path")
    if str(name).startswith(_MODELS):
        return _download_model(str(name), into, uri)
    client, run = find_bundle_run(name, uri)
    with quiet_mlflow():
        if not any(entry.path == "bundle" for entry in client.list_artifacts(run.info.run_id)):
            raise SettingError(f"run {name}: it must have a bundle among its artifacts, found none; name another run")
    return download(client, name, run.info.run_id, "bundle", into)


def _holds_bundle(path: Path) -> bool:
    try:
        with ZipFile(path) as file:
            return any(name == BUNDLE or name.endswith(f"/{BUNDLE}") for name in file.namelist())
    except (OSError, ValueError, BadZipFile):
        return False


def download(client: Any, name: str | Path, run_id: str, artifact: str, into: str | Path) -> Path:
    """Download an artifact of the MLflow run of a name or id; a SettingError if it cannot be read."""
    from mlflow.exceptions import MlflowException

    try:
        with quiet_mlflow():
            return Path(client.download_artifacts(run_id, artifact, str(into)))
    except (MlflowException, OSError) as error:
        raise SettingError(
            f"run {name}: its {artifact} must be readable, it is not: {find_reason(error)}; name another run, or a folder"
        ) from error


def find_bundle_run(name: str | Path, uri: str) -> tuple[Any, Any]:
    """The MLflow client and the run of a name that is no folder; a SettingError if there is none."""
    if Path(name).name != str(name):
        raise SettingError(f"{name}: must be a bundle folder, there is none; name the folder that training left, or a run")
    client = open_store_for(str(name), uri)
    return client, find_run(client, str(name))


def open_store_for(name: str, uri: str) -> Any:
    """The MLflow client in which to find a run of a name that is no folder; a SettingError if there is none."""
    try:
        return open_store(choose_uri(uri), create=False)
    except SettingError as error:
        raise SettingError(f"{name}: is no folder here, and no run can be looked up: {error}") from error


def find_run(client: Any, name: str) -> Any:
    """The MLflow run of an id or a name, in any experiment; a SettingError if there is none, or several have the name."""
    with quiet_mlflow():
        from mlflow.exceptions import MlflowException

        try:
            return client.get_run(name)
        except MlflowException:
            ids = [entry.experiment_id for entry in client.search_experiments()]
            quote = '"' if "'" in name else "'"  # the query language cannot escape either
            query = f"attributes.run_name = {quote}{name}{quote}"
            found = client.search_runs(ids, query, max_results=2) if ids and quote not in name else []
    if len(found) > 1:
        raise SettingError(f"run {name}: the name must be that of one run, there are several; give its id")
    if not found:
        raise SettingError(f"run {name}: must be a folder, or the id or name of a run, there is none; see livecell compare")
    return found[0]


def _download_model(name: str, into: Path, uri: str) -> Path:
    model, at, alias = name.removeprefix(_MODELS).partition("@")
    model, slash, version = (model, at, alias) if at else model.partition("/")
    if not (model and slash and version) or "/" in version or not (at or version.isdecimal()):
        raise SettingError(f"{name}: a registered model must be {_MODELS}NAME/VERSION or {_MODELS}NAME@ALIAS; correct it")
    client = open_store(choose_uri(uri), create=False)
    with quiet_mlflow():
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            number = client.get_model_version_by_alias(model, alias).version if at else version
            source = client.get_model_version_download_uri(model, number).rstrip("/")
        except MlflowException as error:
            raise SettingError(
                f"{name}: must be a model of the registry, it is not: {find_reason(error)}; register it first"
            ) from error
        store = client.tracking_uri
        try:
            path = download_artifacts(f"{source}/{IN_MODEL}", dst_path=str(into), tracking_uri=store, registry_uri=store)
        except (MlflowException, OSError) as error:
            raise SettingError(
                f"{name}: must be a model that livecell register has made, it has no {IN_MODEL}; name another"
            ) from error
    return Path(path)
