"""A bioimage.io package or an ONNX file, opened in the place of a bundle."""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livecell_monai.bundle.foreign.description import Description, describe_onnx, name_channels, read_description
from livecell_monai.bundle.foreign.files import ONNX, PackageFiles, read_file
from livecell_monai.bundle.foreign.network import BYTES_PER_PIXEL, LEAST_STEP, ForeignNetwork, settle_units
from livecell_monai.bundle.foreign.roles import BORDER, IGNORE, Role, check_roles, guess_roles, list_maps, parse_roles
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.network.onnx_model import OnnxModel
from livecell_monai.sample import IMAGE, Pixels
from livecell_monai.settings.prediction import Network
from livecell_monai.transforms.described import DescribedStepsd

#: settings of what a model of another tool brings itself
UNUSED = (*Network.model_fields, "normalise", "percentiles", "backend")
SAMPLE_EDGE = 64  # px, least edge of the window on which a model is tried
LOGGER = logging.getLogger(__name__)


def check_given(path: Path, settings: Mapping[str, Any]) -> None:
    """Raise a SettingError for a given setting that does not apply to a model of another tool."""
    unused = next((name for name in UNUSED if name in settings), None)
    if unused is not None:
        raise SettingError(
            f"setting {unused} must be left out with {path}, which has its own; it is for bundles of livecell"
        )
    device = settings.get("accelerator", "auto")
    if str(device).removesuffix("-fp32") not in ("auto", "cpu"):
        raise SettingError(
            f"setting accelerator must be auto or cpu with {path}, got {device!r}; ONNX models run on the CPU"
        )


class ForeignModel:
    """What the configs need of a model of another tool; its parts are read when they are first needed.

    Args:
        path: a package, as zip or folder, or an ONNX file.
        outputs: what its channels are, see the setting `model_outputs`; None to take them by their names.
        cell_diameter: px, of a typical cell, for a distance in px.

    Parts raise a BundleError if the model cannot be read, or is of another kind, a SettingError if a library is missing.
    """

    def __init__(self, path: str | Path, outputs: Sequence[str] | None, cell_diameter: float) -> None:
        self.path, self.given, self.cell_diameter = Path(path), outputs, cell_diameter

    @cached_property
    def description(self) -> Description:
        """Of input, outputs and windows."""
        return describe_onnx(self.model, self.path) if self._files is None else read_description(self._files)

    @property
    def model(self) -> OnnxModel:
        """The loaded model."""
        return self._loaded[0]

    @property
    def title(self) -> str:
        """Name, version and the beginning of the SHA-256 of the weights, for tables."""
        return f"{self.description.title} ({self._loaded[1][:12]})"

    @property
    def checkpoint(self) -> Path:
        """The file that changes when the model does."""
        return self.path if self._files is None else self._files.find(self.description.weights)

    @cached_property
    def roles(self) -> list[Role]:
        """What each channel of the outputs is; units that are not stated are still unknown."""
        names = name_channels(self.description.outputs)
        shown = ", ".join(names)
        if self.given is not None and len(self.given) != len(names):
            raise SettingError(
                f"setting model_outputs must have an entry for each of the {len(names)} channels of {self.path} ({shown}), "
                f"got {len(self.given)}; correct it"
            )
        roles = guess_roles(self.description.outputs) if self.given is None else parse_roles(self.given)
        wrong = check_roles(roles)
        if wrong is not None:
            example = ", ".join(["foreground", BORDER, *[IGNORE] * len(names)][: len(names)])
            raise SettingError(
                f"{self.path}: the outputs ({shown}) {wrong}; say what each channel is, as --set model_outputs=[{example}]"
            )
        return roles

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the maps."""
        return list_maps(self.roles)

    @property
    def multiple(self) -> int:
        """Y and X of windows are multiples of this."""
        least, step = self.description.sides.least, self.description.sides.step
        edges = [
            size if every == 0 else every * math.ceil(LEAST_STEP / every) for size, every in zip(least, step, strict=True)
        ]
        return math.gcd(*edges) if 0 in step else math.lcm(*edges)

    def choose_window(self, window: list[int] | str) -> list[int] | str:
        """The setting `window`, or the size of the model's windows where it is fixed."""
        sides = self.description.sides
        if 0 not in sides.step:
            return window
        largest = [512 if window == "auto" else int(edge) for edge in ((512, 512) if isinstance(window, str) else window)]
        return list(sides.fit((largest[0], largest[1])))

    def preprocess(self) -> DescribedStepsd:
        """The steps before the network, as a transform."""
        return DescribedStepsd(IMAGE, self.description.input.steps)

    @property
    def bytes_per_pixel(self) -> float:
        """Memory of a pass per pixel, assumed."""
        return BYTES_PER_PIXEL

    @cached_property
    def network(self) -> ForeignNetwork:
        """The model in the place of a network, tried on a window."""
        _ = self.roles  # before the weights are read
        edges = self.description.sides.fit((SAMPLE_EDGE, SAMPLE_EDGE))
        sample = self.preprocess()({IMAGE: torch.from_numpy(make_sample(edges))[None]})[IMAGE].numpy()
        roles = settle_units(self.model, self.description, self.roles, sample)
        return ForeignNetwork(self.model, self.description, roles, self.cell_diameter)

    def announce(self) -> None:
        """Log what the outputs are taken for, unless each is what its name says."""
        named = zip(name_channels(self.description.outputs), self.network.roles, strict=True)
        used = [(name, str(role)) for name, role in named if role.kind != IGNORE]
        if any(name != role for name, role in used):
            parts = ", ".join(f"{name} is {role}" for name, role in used)
            LOGGER.warning("note: of the model %s, %s; if that is wrong, set model_outputs", self.title, parts)

    @cached_property
    def _files(self) -> PackageFiles | None:
        return None if self.path.suffix.lower() == ONNX and self.path.is_file() else PackageFiles(self.path)

    @cached_property
    def _loaded(self) -> tuple[OnnxModel, str]:
        """The model and the SHA-256 of its file."""
        if self._files is None:
            content = read_file(self.path)
            return OnnxModel(content, self.path), hashlib.sha256(content).hexdigest()
        name, expected = self.description.weights, self.description.sha256
        content = self._files.read(name)
        found = hashlib.sha256(content).hexdigest()
        if expected is not None and found != expected.lower():
            raise BundleError(
                f"{self.path}: {name} must have the SHA-256 of the description ({expected[:12]}...), got {found[:12]}...; "
                "download the package again"
            )
        return OnnxModel(content, self.path), found


def make_sample(edges: tuple[int, int]) -> Pixels:
    """Bright discs on a dark, noisy background, (Y, X) float32 from 0 to 255: an image with which a model is tried."""
    rows, columns = np.mgrid[: edges[0], : edges[1]]
    discs = np.hypot(rows % 32 - 16, columns % 32 - 16) < 10
    noise = np.random.default_rng(0).normal(size=edges)
    return np.asarray(np.clip(40 + 140 * discs + 12 * noise, 0, 255), np.float32)
