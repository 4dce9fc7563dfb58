"""From the setting `start` to the weights that a training begins with."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.bundle.contents import METADATA_FILE, read_bundle_settings, read_metadata
from livecell_monai.bundle.start import START, read_shipped_start
from livecell_monai.bundle.weights import WEIGHTS, read_weights
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.seen import Seen, read_seen
from livecell_monai.errors import SettingError
from livecell_monai.network.start import (
    SHAPE,
    Start,
    StartFile,
    explain_mismatch,
    find_shipped_start,
    load_start,
    read_start_file,
)
from livecell_monai.network.unet import UNet
from livecell_monai.plan import Choice, plan_start
from livecell_monai.settings import list_settings

AUTO, NONE = "auto", "none"
Locate = Callable[[str, str], AbstractContextManager[Path]]  #: as `experiments.locate.located`


@dataclass(eq=False)
class InitialWeights:
    """The network of a training, with the weights of its start.

    `start` is `none`, `auto` or `start` for the start that is shipped, a start file, or a bundle: its folder, MLflow run or
    registered model, which `locate` finds. A start that does not fit the network is rejected, but for `auto`, which is then
    `none`.

    Raises a LiveCellError if there is no such start, or it does not fit.
    """

    network: UNet  #: gets the weights in place
    settings: Mapping[str, Any]  #: of the network, see `explain_mismatch`, and `start`
    locate: Locate
    tracking_uri: str = AUTO

    def __post_init__(self) -> None:
        self.facts: dict[str, str] = {}  #: `start` and `start_sha256` for records; empty with random weights
        self.seen: Seen = {}  #: the parts of annotated images that the start was trained on
        name = str(self.settings["start"])
        if name == AUTO:
            choice = choose_auto(self.settings)
            if choice.value == NONE:
                logging.getLogger(__name__).warning("the training begins from random weights: %s", choice.reason)
                return
        found = find_start(name, self.locate, self.tracking_uri)
        if found is None:
            return
        check_start(found.start, self.settings)
        load_start(self.network, self.settings["maps"], found.start)
        self.facts, self.seen = {"start": name, "start_sha256": found.sha256}, found.seen

    @property
    def share(self) -> float:
        """The setting `start_share`; 0 with random weights, which nothing must be averaged with."""
        return float(self.settings["start_share"]) if self.facts else 0.0


def find_start(name: str, locate: Locate, tracking_uri: str = AUTO) -> StartFile | None:
    """The start that a value of the setting names; None for random weights, also by `auto` where no start is shipped.

    Raises a LiveCellError if there is no such start.
    """
    if name == NONE or (name == AUTO and find_shipped_start() is None):
        return None
    if names_shipped(name):
        return read_shipped_start()
    if Path(name).is_file():
        bundle = Path(name).absolute().parent.parent
        if Path(name).stem == Path(WEIGHTS).stem and (bundle / "configs" / METADATA_FILE).is_file():
            raise SettingError(
                f"setting start must be a start file or the folder of a bundle, {name} is a file within one; give {bundle}"
            )
        return read_start_file(name)
    with locate(name, tracking_uri) as bundle:
        return read_bundle_as_start(bundle, name)


def names_shipped(name: str) -> bool:
    """Whether a value of the setting names the shipped start; a folder of the name `start` is a bundle, as for `predict`."""
    return name == AUTO or (name == START and not Path(name).exists())


def check_start(start: Start, settings: Mapping[str, Any]) -> None:
    """Raise a SettingError if a start does not fit the network of some settings, of which `start` names it."""
    reason = explain_mismatch(start, settings)
    if reason is not None:
        raise SettingError(
            f"setting start must be a start that fits the network, {settings['start']} does not: {reason}; set that to the "
            "value of the start, or set start to none"
        )


def choose_auto(settings: Mapping[str, Any]) -> Choice:
    """What `auto` is for a training with these settings, `auto` or `none`, and why."""
    path = find_shipped_start()
    if path is None:
        return Choice(NONE, "random weights: this installation ships no start")
    found = read_start_file(path)
    reason = explain_mismatch(found.start, settings)
    if reason is None and not settings["normalise"]:
        reason = "normalise is false, the start has seen normalised images"
    if reason is not None:
        return Choice(NONE, f"random weights, since the start does not fit: {reason}")
    return Choice(AUTO, f"weights of a network that has seen cells, SHA-256 {found.sha256[:12]}...")


def choose_start(settings: Mapping[str, Any]) -> dict[str, Choice]:
    """The part of the plan that the setting `start` decides, from the value of every setting."""
    name = str(settings["start"])
    if name == AUTO:
        choice = choose_auto(settings)
        return plan_start(str(choice.value), choice.reason, is_general=True)
    reason = "random weights, as set" if name == NONE else "weights of this network, as set"
    return plan_start(name, reason, is_general=names_shipped(name) or Path(name).is_file())


def read_bundle_as_start(bundle: Path, name: str) -> StartFile:
    """The weights of a trained bundle as a start; `name` is for messages.

    Raises a BundleError if it is not a bundle, and a SettingError if it is an ensemble.
    """
    settings = {**list_settings(["inference"]), **read_bundle_settings(bundle, ["inference"])}
    if settings["ensemble_size"] != 1:
        raise SettingError(
            f"setting start must be one network, {name} is an ensemble of {settings['ensemble_size']}; name one of its folds"
        )
    checkpoint = bundle / "models" / WEIGHTS
    weights = {key: value.float() if value.is_floating_point() else value for key, value in read_weights(checkpoint).items()}
    network = {key: settings[key] for key in SHAPE}
    factor = settings["scale"] if isinstance(settings["scale"], float) else 1.0
    start = Start(weights, network, settings["maps"], settings["cell_diameter"] * factor)
    seen = read_seen(read_metadata(bundle).get("training", {}), name)
    return StartFile(start, hash_file(checkpoint), {}, seen)
