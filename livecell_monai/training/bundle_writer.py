"""Writes a finished training as a bundle: weights, configs and metadata, model card, figures."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from livecell_monai.bundle.export import write_bundle
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.weights import load_weights, save_weights, write_weights
from livecell_monai.errors import DataError
from livecell_monai.network import UNet
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.runs.atomic import make_folder
from livecell_monai.training.best_weights import BestWeights
from livecell_monai.training.facts import TrainingResult, describe_card, describe_training
from livecell_monai.training.figures import FigureWriter, Loaders

LAST = {"model": "network", "optimizer": "optimizer", "lr_scheduler": "lr_scheduler"}  #: key in last.pt: part


class BundleWriter:
    """Writes the bundle into the output folder when the training is over.

    Args:
        output_dir: the folder that becomes the bundle.
        network: the network that is validated: the average, or the trained network itself. It gets the weights that the
            bundle keeps.
        best: the weights of the best epoch.
        describe: called with the facts that `card.md.j2` lists; returns the model card as Markdown.
        figures: writes the figures and the page.

    Attributes:
        plan: path of the plan, kept as `configs/plan.yaml`; None without one.
    """

    def __init__(
        self,
        output_dir: str,
        network: UNet,
        best: BestWeights,
        describe: Callable[..., str],
        figures: FigureWriter,
    ) -> None:
        self.folder = Path(output_dir)
        self.network = network
        self.best = best
        self.describe = describe
        self.figures = figures
        self.plan: Path | None = None

    def write(self, result: TrainingResult, parts: Mapping[str, Any], loaders: Loaders) -> dict[str, Any]:
        """Write the whole bundle. Figures come last: a full disk then costs no more than the figures.

        Args:
            result: the finished training.
            parts: network, optimiser and scheduler, by name.
            loaders: images of training and validation, for the figures.

        Returns:
            What the bundle's metadata say of the training.

        Raises:
            LiveCellError: a file cannot be written, or the configs do not fit the weights.
        """
        training = describe_training(result, self._write_weights(result, parts))
        training[RANGES] = self.figures.measure_ranges(result.data.split.train)
        self._write_bundle(result, training)
        self._write_figures(result, training, loaders)
        return training

    def _write_weights(self, result: TrainingResult, parts: Mapping[str, Any]) -> dict[str, str]:
        """Write the weights that are kept, load them into the network, and return their hash."""
        models = make_folder(self.folder / "models")
        save_weights({key: parts[part].state_dict() for key, part in LAST.items()}, models / "last.pt")
        kept = self.best.weights if result.keeps_best else self.network.state_dict()
        written = write_weights(kept, models)
        self.network.load_state_dict(kept)
        return written

    def _write_bundle(self, result: TrainingResult, training: Mapping[str, Any]) -> None:
        result.history.write(make_folder(self.folder / "docs") / "history.csv")
        card = self.describe(**describe_card(result, training))
        write_bundle(self.folder, result.settings, training, card, self.network.multiple, self.plan)
        # An overlay that changes network_def is no setting, and the written configs lack it.
        opened = open_bundle(self.folder, ["inference"])
        load_weights(opened.network_def, opened.checkpoint)

    def _write_figures(self, result: TrainingResult, training: Mapping[str, Any], loaders: Loaders) -> None:
        plan = "" if self.plan is None else self.plan.read_text(encoding="utf-8")
        try:
            self.figures(self.folder / "docs", result, training, loaders, plan)
        except DataError as error:
            raise DataError(
                f"{error}; the bundle is complete except for its figures: make the page by livecell report {self.folder} "
                "--data DATA"
            ) from error
