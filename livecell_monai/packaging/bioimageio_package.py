"""A package for bioimage.io: a zip with ONNX and TorchScript weights, their description, test tensors, cover and README.

Source: the description of models 0.5.14 of bioimage.io, by the library bioimageio.spec.
"""

import gc
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from livecell_monai.bundle.foreign.stated import OWN
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.packaging.facts import ModelFacts
from livecell_monai.packaging.model import TracedModel
from livecell_monai.packaging.onnx_file import INPUT, OPSET, OUTPUT, write_onnx
from livecell_monai.packaging.readme import render_readme
from livecell_monai.packaging.torchscript_file import write_torchscript

ONNX, TORCHSCRIPT = "model.onnx", "model.pt"  #: files of the weights
SMALLEST = 64  #: px: a smaller image is little more than borders
PAPER = {
    "text": "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015.",
    "doi": "10.1007/978-3-319-24574-4_28",
}
TAGS = ("unet", "pytorch", "cells", "2d", "semantic-segmentation", "live-cell-imaging", "livecell-monai")
_NO_NAME = re.compile(r"[^A-Za-z0-9_+\- ()]")
_VERSION = re.compile(r"\d+(\.\d+){0,3}")


def write_package(model: TracedModel, facts: ModelFacts, path: Path) -> None:
    """Write a package, and check it as a file by bioimageio.spec.

    Raises:
        SettingError: the licence or an author is none that bioimage.io takes.
        BundleError: the package is not valid.
    """
    check_names(facts)
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        write_onnx(model, facts, folder / ONNX)
        write_torchscript(model, facts, folder / TORCHSCRIPT)
        np.save(folder / "test_input.npy", model.example_batch.numpy())
        np.save(folder / "test_output.npy", model.example.maps[None])
        Image.fromarray(model.example.draw()).save(folder / "cover.png")
        (folder / "README.md").write_text(render_readme(facts), encoding="utf-8")
        (folder / "model_card.md").write_text(facts.card, encoding="utf-8")
        with closing_files():
            _zip(describe(facts), folder, path)


def _zip(content: dict[str, Any], folder: Path, path: Path) -> None:
    """Write a package of the files of a folder that a description names, and read it; a BundleError if it is invalid."""
    spec = _import_spec()
    with spec.ValidationContext(root=folder, file_name="rdf.yaml"):
        described = spec.build_description(content)
        if not isinstance(described, spec.InvalidDescr):
            spec.save_bioimageio_package(described, output_path=path)
            described = spec.load_description(path.absolute(), format_version="discover")
    if isinstance(described, spec.InvalidDescr):
        raise BundleError(
            "the package must be valid by bioimageio.spec, got: "
            f"{' '.join(str(described.get_reason()).split())[:200]}; export as onnx"
        )


@contextmanager
def closing_files() -> Iterator[None]:
    """Close without a warning the files that bioimageio.spec has left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


def describe(facts: ModelFacts) -> dict[str, Any]:
    """The content of rdf.yaml; files are named relative to its folder."""
    described: dict[str, Any] = {
        "type": "model",
        "format_version": "0.5.14",
        "name": _NO_NAME.sub("_", facts.name)[:64],
        "description": facts.description,
        "authors": [{"name": name} for name in facts.authors],
        "license": facts.licence,
        "cite": [PAPER],
        "documentation": {"source": "README.md"},
        "covers": [{"source": "cover.png"}],
        "attachments": [{"source": "model_card.md"}],
        "tags": [*TAGS, *(["instance-segmentation"] if "distance" in facts.channels else [])],
        "timestamp": facts.created,
        **_describe_tensors(facts),
        "weights": {
            "onnx": {"source": ONNX, "opset_version": OPSET, "parent": "torchscript"},
            "torchscript": {"source": TORCHSCRIPT, "pytorch_version": torch.__version__.split("+")[0]},
        },
        "config": {OWN: facts.values()},
    }
    if _VERSION.fullmatch(facts.version):
        described["version"] = facts.version
    return described


def _describe_tensors(facts: ModelFacts) -> dict[str, Any]:
    """Input and output with their axes; no halo: programs would pad the image by it, which changes its median."""
    batch = {"type": "batch"}
    space = [{"type": "space", "id": axis} for axis in ("y", "x")]
    grey = {"type": "channel", "channel_names": ["grey"]}
    maps = {"type": "channel", "channel_names": list(facts.channels)}
    image = {
        "id": INPUT,
        "description": "One grey plane; normalised inside of the model.",
        "axes": [batch, grey, *({**axis, "size": {"min": SMALLEST, "step": 1}} for axis in space)],
        "test_tensor": {"source": "test_input.npy"},
        "data": {"type": "float32"},
    }
    sizes = ({**axis, "size": {"tensor_id": INPUT, "axis_id": axis["id"]}} for axis in space)
    made = {
        "id": OUTPUT,
        "description": "Maps on the grid of the image, each in [0, 1].",
        "axes": [batch, maps, *sizes],
        "test_tensor": {"source": "test_output.npy"},
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }
    return {"inputs": [image], "outputs": [made]}


def check_names(facts: ModelFacts) -> None:
    """Raise a SettingError unless bioimage.io takes the licence and the authors."""
    _import_spec()
    from bioimageio.spec.generic.v0_3 import LicenseId

    try:
        LicenseId(facts.licence)
    except ValueError as error:
        raise SettingError(
            f"--license must be an identifier of spdx.org/licenses, such as CC-BY-4.0, got {facts.licence!r}; correct it"
        ) from error
    for name in facts.authors:
        if not name.strip() or "/" in name or "\\" in name:
            raise SettingError(f"--author must be a name without slashes, got {name!r}; correct it")


def _import_spec() -> Any:
    """bioimageio.spec, which then asks no server about addresses."""
    os.environ.setdefault("BIOIMAGEIO_HTTP_TIMEOUT", "1")  # read when it is imported
    import bioimageio.spec

    return bioimageio.spec
