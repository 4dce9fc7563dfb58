"""Registers trained bundles as models that MLflow can serve.

Everything goes through one client, because MLflow's own `log_model` writes to the default store of the process.
"""

import base64
import io
import logging
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from PIL import Image

from livecell_monai.bundle.contents import check_links
from livecell_monai.bundle.export import package_versions
from livecell_monai.bundle.template import find_template
from livecell_monai.bundle.weights import PICKLED_WEIGHTS, WEIGHTS
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.samples.synthetic import draw_field
from livecell_monai.errors import SettingError
from livecell_monai.experiments import serving
from livecell_monai.experiments.locate import IN_MODEL, find_bundle_run, locate_bundle
from livecell_monai.experiments.store import choose_uri, find_experiment, find_reason, open_store, quiet_mlflow

#: of a bundle folder, which may also hold results and checkpoints
PARTS = ("configs", "docs", *(f"models/{name}" for name in (WEIGHTS, PICKLED_WEIGHTS)), "LICENSE")
#: packages that serving imports besides those of `package_versions`
ALSO_NEEDED = ("imagecodecs", "safetensors", "pydantic", "ruamel.yaml", "filelock", "matplotlib", "tqdm")
EXAMPLE_SHAPE = (96, 128)  # (Y, X) pixels of the input example


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model, from 1 on, with the name of the run that trained it; None for a bundle from a folder."""

    name: str
    version: int
    run: str | None


def register(run: str | Path, name: str, uri: str = "auto", experiment: str = "livecell") -> RegisteredModel:
    """Register a trained bundle as a new version of a model, tagged by the SHA-256 of its weights.

    `run` is the id or name of a finished run, which the version is linked to, or a bundle folder, whose model belongs to
    the experiment.

    Raises a LiveCellError if there is no such run or bundle, or the store does not accept it; the store is then unchanged.
    """
    if not name.strip() or set(name) & set("/:@"):
        raise SettingError(f"--name must be a name without / : and @, got {name!r}; choose another")
    store = choose_uri(uri)
    client, trained_by = (open_store(store), None) if Path(run).is_dir() else find_bundle_run(run, store)
    if trained_by is not None and trained_by.info.status != "FINISHED":
        status = trained_by.info.status
        raise SettingError(f"run {run}: must have finished, it is {status}; wait for it, or name another run")
    # the registry of a database asks the default store for models, whichever client it serves
    with tempfile.TemporaryDirectory() as folder, quiet_mlflow(MLFLOW_TRACKING_URI=store):
        source = locate_bundle(run, Path(folder) / "from", store)
        check_links(source)  # before copying, which follows them
        bundle = _copy_parts(source, Path(folder) / Path(IN_MODEL).name)
        example = Path(folder) / "example.png"
        example.write_bytes(_example())
        serving.ServedBundle(bundle).segmenter(example)  # an error here means that it cannot be served
        place = find_experiment(client, store, experiment) if trained_by is None else trained_by.info.experiment_id
        run_id = None if trained_by is None else trained_by.info.run_id
        try:
            made = _create_version(client, name, place, run_id, bundle)
        except (MlflowException, OSError) as error:
            raise SettingError(
                f"model {name}: the store must accept it, it does not: {find_reason(error)}; correct that and try again"
            ) from error
    return RegisteredModel(name, int(made.version), None if trained_by is None else trained_by.info.run_name)


def _create_version(client: Any, name: str, experiment: str, run_id: str | None, bundle: Path) -> Any:
    """Create the model and its version; if something fails, undo what was created."""

    def undo(step: Callable[[str], Any], given: str) -> None:
        with suppress(Exception):  # the first error says more
            step(given)

    tags = {"weights_sha256": hash_file(bundle / "models" / WEIGHTS)}
    with ExitStack() as created:
        model = client.create_logged_model(experiment, name, run_id, tags)
        created.callback(undo, client.delete_logged_model, model.model_id)
        folder = bundle.with_name("model")
        _save(folder, bundle, model.model_id)
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        try:
            client.get_registered_model(name)
        except MlflowException:
            client.create_registered_model(name)
            created.callback(undo, client.delete_registered_model, name)
        made = client.create_model_version(name, model.artifact_location, model.source_run_id, tags, model_id=model.model_id)
        created.pop_all()
    return made


def _copy_parts(source: Path, target: Path) -> Path:
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part)
        elif (source / part).is_file():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, target / part)
    return target


def _save(path: Path, bundle: Path, model_id: str) -> None:
    """Write the MLflow model: the bundle, the code that loads it, and its requirements."""
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

    # any type: base64 or rows of numbers; not required, so that a missing column gets our message
    inputs, *outputs = (ColSpec(AnyType(), name, False) for name in (serving.IMAGE_COLUMN, *serving.OUTPUTS))
    params = ParamSchema([ParamSpec(serving.OUTPUT, "string", serving.OUTPUTS[0])])
    versions = {**package_versions()} | {name: version(name) for name in ALSO_NEEDED}
    # without local builds such as +cpu, which no index has
    requirements = [f"{name}=={text.partition('+')[0]}" for name, text in versions.items() if name != "livecell-monai"]
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with as_file(files("livecell_monai")) as package:
        save_model(
            path,
            loader_module=serving.__name__,  # no pickled class
            data_path=str(bundle),
            code_paths=[str(package), *_template_beside(package, path.parent)],
            mlflow_model=Model(model_id=model_id),
            signature=ModelSignature(Schema([inputs]), Schema(outputs), params),
            input_example=[{serving.IMAGE_COLUMN: base64.b64encode(_example()).decode("ascii")}],
            pip_requirements=requirements,
            model_config=serving.CONFIG,
        )


def _template_beside(package: Path, folder: Path) -> list[str]:
    """A copy of the template's configs, if it is not in the package."""
    template = find_template()
    if template.is_relative_to(package):
        return []
    shutil.copytree(template / "configs", folder / "template" / "bundle" / "configs")
    return [str(folder / "template" / "bundle")]


def _example() -> bytes:
    """A small synthetic image as PNG."""
    grey = draw_field(EXAMPLE_SHAPE, rng=np.random.default_rng(0)).image
    buffer = io.BytesIO()
    Image.fromarray((grey >> 8).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
