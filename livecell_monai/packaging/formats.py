"""The formats of exported models by name, with what each needs to be installed."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.packaging.bioimageio_package import write_package
from livecell_monai.packaging.facts import ModelFacts
from livecell_monai.packaging.model import TracedModel
from livecell_monai.packaging.onnx_file import open_onnx, write_onnx
from livecell_monai.packaging.openvino_file import open_openvino, write_openvino
from livecell_monai.packaging.parity import Run
from livecell_monai.packaging.torchscript_file import open_torchscript, write_torchscript


@dataclass(frozen=True)
class Format:
    """A format of exported models."""

    name: str
    endings: tuple[str, ...]  #: of the file
    write: Callable[[TracedModel, ModelFacts, Path], None]
    open: Callable[[Path], Run] | None = None  #: runs what was written; None for a package of other formats
    parts: tuple[str, ...] = ()  #: names of these
    modules: tuple[str, ...] = ()  #: that it needs
    extra: str = "export"  #: which installs them
    beside: tuple[str, ...] = ()  #: endings of further files of the same name


FORMATS = {
    form.name: form
    for form in (
        Format("onnx", (".onnx",), write_onnx, open_onnx, modules=("onnx", "onnxruntime")),
        Format("torchscript", (".pt", ".ts"), write_torchscript, open_torchscript),
        Format(
            "bioimageio",
            (".zip",),
            write_package,
            parts=("onnx", "torchscript"),
            modules=("onnx", "onnxruntime", "bioimageio.spec"),
        ),
        Format(
            "openvino", (".xml",), write_openvino, open_openvino, modules=("openvino",), extra="openvino", beside=(".bin",)
        ),
    )
}


def find_format(name: str, output: Path) -> Format:
    """The format of a name, for an output file.

    Raises a SettingError if there is none, the file has another ending, or what it needs is not installed.
    """
    form = FORMATS.get(name)
    if form is None:
        raise SettingError(f"--format must be one of {', '.join(FORMATS)}, got {name!r}; choose one")
    if output.suffix.lower() not in form.endings:
        raise SettingError(
            f"{output}: the file of --format {name} must end with {' or '.join(form.endings)}; choose another name"
        )
    missing = [module for module in form.modules if not _is_there(module)]
    if missing:
        raise SettingError(
            f"--format {name} needs {', '.join(missing)}, which is not installed; pip install 'livecell-monai[{form.extra}]'"
        )
    return form


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of the package that it is in
        return False
