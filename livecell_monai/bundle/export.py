"""From a training run to a complete bundle: settings, metadata with scores and hashes, a copy of the template for MONAI."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from livecell_monai import __version__
from livecell_monai.bundle.contents import SETTINGS_FILE
from livecell_monai.bundle.template import find_template
from livecell_monai.runs.atomic import atomic_path, make_folder
from livecell_monai.settings import CONFIGS
from livecell_monai.settings.rendering import render_section, render_settings, replace_section

COPIED = ("configs/multi_gpu_train.yaml", "configs/logging.conf", "LICENSE")
FRAMEWORK = {"monai": "monai", "pytorch": "torch", "numpy": "numpy"}  # metadata has a version key of its own for each


def write_bundle(
    folder: Path,
    settings: Mapping[str, Any],
    training: Mapping[str, Any],
    card: str,
    multiple: int,
    plan: Path | None = None,
) -> None:
    """Make the folder that holds the weights a complete bundle.

    Args:
        folder: what the run has written to; `models/` is there already.
        settings: resolved values by setting; they go into `settings.yaml` and into the copy of the template.
        training: what `metadata.json` says of the run: scores, seed, hashes of weights and data.
        card: the model card, Markdown.
        multiple: what Y and X of the network's input must be multiples of.
        plan: file of the plan that some settings come from; None where there was none.

    Raises:
        DataError: a file cannot be written.
    """
    template = find_template()
    for name in ("configs", "docs", "models"):
        make_folder(folder / name)
    head = "The settings of this bundle, which livecell reads; the other files here are for python -m monai.bundle run."
    _write(folder / "configs" / SETTINGS_FILE, render_settings(settings, head))
    for config in CONFIGS:
        path = Path("configs") / f"{config}.yaml"
        text = (template / path).read_text(encoding="utf-8")
        _write(folder / path, replace_section(text, render_section(config, settings)))
    if plan is not None:
        _copy(plan, folder / "configs" / "plan.yaml")
    for name in COPIED:
        _copy(template / name, folder / name)
    metadata = json.loads((template / "configs" / "metadata.json").read_text(encoding="utf-8"))
    versions = package_versions()
    metadata["required_packages_version"] = versions
    metadata |= {f"{key}_version": versions[name] for key, name in FRAMEWORK.items()}
    data_format = metadata["network_data_format"]
    for plane in (data_format["inputs"]["image"], data_format["outputs"]["pred"]):
        plane["spatial_shape"] = [f"{multiple}*n"] * 2
    metadata["training"] = make_inert(dict(training))
    _write(folder / "configs" / "metadata.json", json.dumps(metadata, indent=2) + "\n")
    _write(folder / "docs" / "README.md", card)


def make_inert(value: Any) -> Any:
    """What goes into metadata, where MONAI reads `$` and `%` as code: names of files may begin with them.

    Args:
        value: plain; a text that begins so gets a space ahead.
    """
    if isinstance(value, str):
        return f" {value}" if value.startswith(("$", "%")) else value
    if isinstance(value, Mapping):
        return {str(make_inert(name)): make_inert(below) for name, below in value.items()}
    return [make_inert(below) for below in value] if isinstance(value, list | tuple) else value


@cache
def package_versions() -> Mapping[str, str]:
    """Installed versions of what a bundle's results hang on, by package name."""
    names = ("monai", "torch", "pytorch-ignite", "numpy", "scipy", "tifffile", "nibabel", "pillow", "mlflow")
    return {"livecell-monai": __version__, **{name: version(name) for name in names}}


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
