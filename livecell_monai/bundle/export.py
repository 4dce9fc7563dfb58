"""Writes a complete bundle: settings, metadata with scores and hashes, and a copy of the template for MONAI."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from livecell_monai import __version__
from livecell_monai.bundle.contents import METADATA_FILE, SETTINGS_FILE
from livecell_monai.bundle.template import find_template
from livecell_monai.network.heads import Head
from livecell_monai.runs.atomic import atomic_path, make_folder, write_file
from livecell_monai.settings import CONFIGS
from livecell_monai.settings.rendering import render_section, render_settings, replace_section

COPIED = ("configs/multi_gpu_train.yaml", "configs/logging.conf", "LICENSE")
FRAMEWORK = {"monai": "monai", "pytorch": "torch", "numpy": "numpy"}  # each has its own version key in the metadata


def write_bundle(
    folder: Path,
    settings: Mapping[str, Any],
    training: Mapping[str, Any],
    card: str,
    multiple: int,
    plan: str | None = None,
) -> None:
    """Make a folder with weights in `models/` a complete bundle; raises a DataError if a file cannot be written.

    Args:
        folder: the folder.
        settings: resolved values by name, for `settings.yaml` and the copy of the template.
        training: facts about the run for `metadata.json`: scores, seed, hashes of weights and data.
        card: the model card, Markdown.
        multiple: Y and X of the network's input must be multiples of this.
        plan: text of the plan that some settings come from.
    """
    template, configs = find_template(), folder / "configs"
    for name in ("configs", "docs", "models"):
        make_folder(folder / name)
    head = "The settings of this bundle, which livecell reads; the other files here are for python -m monai.bundle run."
    write_file(configs / SETTINGS_FILE, render_settings(settings, head))
    for config in CONFIGS:
        text = (template / "configs" / f"{config}.yaml").read_text(encoding="utf-8")
        write_file(configs / f"{config}.yaml", replace_section(text, render_section(config, settings)))
    if plan is not None:
        write_file(configs / "plan.yaml", plan)
    for name in COPIED:
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(template / name, temporary)
    metadata = json.loads((template / "configs" / METADATA_FILE).read_text(encoding="utf-8"))
    versions = package_versions()
    metadata["required_packages_version"] = versions
    metadata |= {f"{key}_version": versions[name] for key, name in FRAMEWORK.items()}
    planes = metadata["network_data_format"]
    for plane in (planes["inputs"]["image"], planes["outputs"]["pred"]):
        plane["spatial_shape"] = [f"{multiple}*n"] * 2
    outputs = Head(settings.get("maps", ["foreground"])).outputs
    names = {str(channel): name for channel, name in enumerate(outputs)}
    planes["outputs"]["pred"] |= {"num_channels": len(outputs), "channel_def": names}
    metadata["training"] = escape_expressions(dict(training))
    write_file(configs / METADATA_FILE, json.dumps(metadata, indent=2) + "\n")
    write_file(folder / "docs" / "README.md", card)


def escape_expressions(value: Any) -> Any:
    """A plain value for metadata: texts that begin with `$` or `%`, which MONAI evaluates, get a space in front."""
    if isinstance(value, str):
        return f" {value}" if value.startswith(("$", "%")) else value
    if isinstance(value, Mapping):
        return {str(escape_expressions(name)): escape_expressions(part) for name, part in value.items()}
    return [escape_expressions(part) for part in value] if isinstance(value, list | tuple) else value


@cache
def package_versions() -> Mapping[str, str]:
    """Installed versions of the packages that results depend on, by package name."""
    names = ("monai", "torch", "pytorch-ignite", "numpy", "scipy", "tifffile", "nibabel", "pillow", "mlflow")
    return {"livecell-monai": __version__, **{name: version(name) for name in names}}
