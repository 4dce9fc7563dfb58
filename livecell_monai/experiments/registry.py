"""Trained bundles into the model registry, as models that MLflow can serve.

Everything goes through one client: MLflow's own `log_model` would write to whatever store the process has set.
"""

import base64
import io
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from livecell_monai.bundle.contents import check_links
from livecell_monai.bundle.export import package_versions
from livecell_monai.bundle.template import find_template
from livecell_monai.bundle.weights import PICKLED_WEIGHTS, WEIGHTS
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.samples.synthetic import draw_field
from livecell_monai.errors import SettingError
from livecell_monai.experiments.locate import IN_MODEL, find_run, locate_bundle, open_store_for
from livecell_monai.experiments.store import as_default, choose_uri, find_experiment, open_store, without_bars

#: of a folder, in which results may lie as well, and what a training needs to go on
PARTS = ("configs", "docs", *(f"models/{name}" for name in (WEIGHTS, PICKLED_WEIGHTS)), "LICENSE")
#: what the package imports beside that of `package_versions` when it serves
ALSO_NEEDED = ("imagecodecs", "safetensors", "pydantic", "ruamel.yaml", "filelock", "matplotlib", "tqdm")
EXAMPLE_SHAPE = (96, 128)  # (Y, X) pixels of the input example


@dataclass(frozen=True)
class RegisteredModel:
    """A version in the registry.

    Attributes:
        name: of the model.
        version: counts from 1.
        run: name of the run that trained it, None where it came from a folder.
    """

    name: str
    version: int
    run: str | None


def register(run: str | Path, name: str, uri: str = "auto", experiment: str = "livecell") -> RegisteredModel:
    """Put a trained bundle into the registry: a version of its own, which hangs on the run that trained it.

    A folder says nothing of its run, so that its version hangs on none; both carry the weights' SHA-256 as tag.

    Args:
        run: bundle folder, or the id or name of a run that has finished.
        name: of the model; a new version of it where there is one.
        uri: tracking URI, as for `choose_uri`.
        experiment: of the model, where it comes from a folder.

    Raises:
        LiveCellError: where there is no such run or bundle, the store cannot be reached or takes no such name. The store
            is then as it was.
    """
    if not name.strip() or any(sign in name for sign in "/:@"):
        raise SettingError(f"--name must be a name without / : and @, got {name!r}; choose another")
    where = choose_uri(uri)
    is_folder = Path(run).is_dir()
    client = open_store(where) if is_folder else open_store_for(run, where)
    found = None if is_folder else _finished_run(client, str(run))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = locate_bundle(run, Path(folder) / "from", where)
        check_links(source)  # what they name would be copied
        bundle = _copy_parts(source, Path(folder) / Path(IN_MODEL).name)
        _check_unusable(bundle)
        place = find_experiment(client, where, experiment) if found is None else found.info.experiment_id
        tags = {"weights_sha256": hash_file(bundle / "models" / WEIGHTS)}
        with without_bars(), as_default(where), _whole_or_nothing(client, name) as undo:
            model = client.create_logged_model(place, name, None if found is None else found.info.run_id, tags)
            undo.append(lambda: client.delete_logged_model(model.model_id))
            _save(Path(folder) / "model", bundle, model.model_id)
            client.log_model_artifacts(model.model_id, str(Path(folder) / "model"))
            client.finalize_logged_model(model.model_id, "READY")
            _ensure_name(client, name, undo)
            made = client.create_model_version(
                name, model.artifact_location, model.source_run_id, tags, model_id=model.model_id
            )
    return RegisteredModel(name, int(made.version), None if found is None else found.info.run_name)


def _finished_run(client: Any, name: str) -> Any:
    run = find_run(client, name)
    if run.info.status != "FINISHED":
        raise SettingError(f"run {name}: must have finished, it is {run.info.status}; wait for it, or name another run")
    return run


def _copy_parts(source: Path, target: Path) -> Path:
    for part in PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part)
        elif (source / part).is_file():
            shutil.copyfile(source / part, target / part)
    return target


def _check_unusable(bundle: Path) -> None:
    """Open the bundle as a server would, and segment the example."""
    from livecell_monai.experiments.serving import ServedBundle

    served = ServedBundle(bundle)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.png"
        path.write_bytes(_example())
        served.segmenter(path)


@contextmanager
def _whole_or_nothing(client: Any, name: str) -> Iterator[list[Any]]:
    """Undo what has been made, last first, where something fails."""
    from mlflow.exceptions import MlflowException

    undo: list[Any] = []
    try:
        yield undo
    except BaseException as error:
        for step in reversed(undo):
            with suppress(Exception):  # what broke the one may break the other; the first error tells more
                step()
        if isinstance(error, MlflowException | OSError):
            reason = " ".join(str(error).split())[:200]
            raise SettingError(
                f"model {name}: the store must take it, it does not: {reason}; mend that, try again"
            ) from error
        raise


def _ensure_name(client: Any, name: str, undo: list[Any]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
        undo.append(lambda: client.delete_registered_model(name))


def _save(path: Path, bundle: Path, model_id: str) -> None:
    """Write the model as MLflow keeps it: the bundle, what loads it, and what that needs."""
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types.schema import AnyType, ColSpec, Schema

    from livecell_monai.experiments import serving

    # base64 or rows of numbers, hence any type; not required, so that what misses is refused in our words
    inputs, outputs = ColSpec(AnyType(), serving.IMAGE_COLUMN, False), ColSpec(AnyType(), serving.MASK_COLUMN)
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # tells of each of its steps
    with as_file(files("livecell_monai")) as package:
        save_model(
            path,
            loader_module=serving.__name__,  # the bundle is data beside it; no pickled class
            data_path=str(bundle),
            code_paths=[str(package), *_template_beside(package, path.parent)],  # served by the code that wrote it
            mlflow_model=Model(model_id=model_id),
            signature=ModelSignature(Schema([inputs]), Schema([outputs])),
            input_example=[{serving.IMAGE_COLUMN: base64.b64encode(_example()).decode("ascii")}],
            pip_requirements=_requirements(),
            model_config=serving.CONFIG,
        )


def _template_beside(package: Path, folder: Path) -> list[str]:
    """The template that runs a bundle, where it does not lie in the package: a copy of its configs."""
    template = find_template()
    if template.is_relative_to(package):
        return []
    shutil.copytree(template / "configs", folder / "template" / "bundle" / "configs")
    return [str(folder / "template" / "bundle")]


def _requirements() -> list[str]:
    """The tested versions; a build such as +cpu is none that an index has."""
    versions = {**package_versions(), **{name: version(name) for name in ALSO_NEEDED}}
    return [f"{name}=={text.partition('+')[0]}" for name, text in versions.items() if name != "livecell-monai"]


def _example() -> bytes:
    """A small drawn image as PNG."""
    grey = draw_field(EXAMPLE_SHAPE, rng=np.random.default_rng(0)).image
    buffer = io.BytesIO()
    Image.fromarray((grey >> 8).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
