"""A trained bundle by the names that it goes by: its folder, its run in MLflow."""

import warnings
from pathlib import Path
from typing import Any

from livecell_monai.errors import SettingError
from livecell_monai.experiments.store import choose_uri, open_store

IS_BUNDLE = Path("configs") / "inference.yaml"


def locate_bundle(name: str | Path, into: Path, uri: str = "auto") -> Path:
    """The folder of a bundle, downloaded where it lies in MLflow.

    Args:
        name: a bundle folder, or the id or name of a run.
        into: folder that a download goes to.
        uri: tracking URI, as for `choose_uri`.

    Raises:
        SettingError: where there is neither such a folder nor such a run, or the run has no bundle yet.
    """
    if Path(name).is_dir():
        return Path(name)
    client = open_store(choose_uri(uri), create=False)
    run = find_run(client, str(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException

        if not any(entry.path == "bundle" for entry in client.list_artifacts(run.info.run_id)):
            raise SettingError(f"run {name}: it must have a bundle among its artifacts, found none; name another run")
        try:
            return Path(client.download_artifacts(run.info.run_id, "bundle", str(into)))
        except (MlflowException, OSError) as error:
            raise SettingError(f"run {name}: its bundle must be readable, it is not: {error}; name the folder") from error


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
            text = name.replace("\\", "\\\\").replace("'", "\\'")
            found = client.search_runs(ids, f"attributes.run_name = '{text}'", max_results=2) if ids else []
    if len(found) > 1:
        raise SettingError(f"run {name}: the name must be that of one run, there are several; give its id")
    if not found:
        raise SettingError(f"run {name}: must be a folder, or the id or name of a run, there is none; see livecell compare")
    return found[0]
