"""From a training run to a complete bundle: configs with the resolved settings, metadata with scores and hashes."""

import io
import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

from livecell_monai import __version__
from livecell_monai.runs.atomic import atomic_path, make_folder

CONFIGS = ("inference.yaml", "train.yaml", "multi_gpu_train.yaml", "evaluate.yaml")
FRAMEWORK = {"monai": "monai", "pytorch": "torch", "numpy": "numpy"}  # metadata has a version key of its own for each


def write_bundle(
    template: Path,
    folder: Path,
    settings: Mapping[str, Any],
    training: Mapping[str, Any],
    card: str,
    multiple: int,
    plan: Path | None = None,
) -> None:
    """Make the folder that holds the weights a complete bundle.

    Args:
        template: the bundle that the run was started from.
        folder: what the run has written to; `models/` is there already.
        settings: resolved values by setting; they take the place of the template's, whose comments stay.
        training: what `metadata.json` says of the run: scores, seed, hashes of weights and data.
        card: the model card, Markdown.
        multiple: what Y and X of the network's input must be multiples of.
        plan: file of the plan that some settings come from; None where there was none.

    Raises:
        DataError: a file cannot be written.
    """
    for name in ("configs", "docs", "models"):
        make_folder(folder / name)
    for name in CONFIGS:
        _write_resolved(template / "configs" / name, folder / "configs" / name, settings)
    if plan is not None:
        _copy(plan, folder / "configs" / "plan.yaml")
    for name in ("configs/logging.conf", "LICENSE"):
        _copy(template / name, folder / name)
    metadata = json.loads((template / "configs" / "metadata.json").read_text(encoding="utf-8"))
    versions = package_versions()
    metadata["required_packages_version"] = versions
    metadata |= {f"{key}_version": versions[name] for key, name in FRAMEWORK.items()}
    data_format = metadata["network_data_format"]
    for plane in (data_format["inputs"]["image"], data_format["outputs"]["pred"]):
        plane["spatial_shape"] = [f"{multiple}*n"] * 2
    metadata["training"] = make_inert(dict(training))
    with atomic_path(folder / "configs" / "metadata.json") as temporary:
        temporary.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    with atomic_path(folder / "docs" / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")


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


def package_versions() -> dict[str, str]:
    """Installed versions of what a bundle's results hang on, by package name."""
    names = ("monai", "torch", "pytorch-ignite", "numpy", "scipy", "tifffile", "nibabel", "pillow", "mlflow")
    return {"livecell-monai": __version__, **{name: version(name) for name in names}}


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


class _Representer(RoundTripRepresenter):
    """Writes 0.00001 as 1.0e-05: without the dot, MONAI's YAML reader takes it for a word."""

    def represent_float(self, value: float) -> Any:
        """A number as a scalar."""
        text = repr(value)
        if "e" not in text or "." in text:
            return super().represent_float(value)
        return self.represent_scalar("tag:yaml.org,2002:float", text.replace("e", ".0e"))


_Representer.add_representer(float, _Representer.represent_float)


def _on_one_line(values: list[Any]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def _write_resolved(source: Path, target: Path, settings: Mapping[str, Any]) -> None:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    config = yaml.load(source.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if name in config and config[name] != value:
            config[name] = _on_one_line(value) if isinstance(value, list) else value
    resolved = io.StringIO()  # straight onto a full disk ruamel prints words of its own
    yaml.dump(config, resolved)
    with atomic_path(target) as temporary:
        temporary.write_text(resolved.getvalue(), encoding="utf-8")
