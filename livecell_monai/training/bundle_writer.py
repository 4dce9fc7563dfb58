"""Writes a finished training as a bundle: weights, configs and metadata, model card, figures."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from livecell_monai.bundle.export import package_versions, write_bundle
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.weights import load_weights, save_weights, write_weights
from livecell_monai.data.dataset.items import to_items
from livecell_monai.data.dataset.split import SPLITS
from livecell_monai.errors import DataError
from livecell_monai.network import UNet
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.plan import measure_fingerprint
from livecell_monai.prediction.sample_predictions import measure_map_ranges, predict_items, predict_samples
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.runs.atomic import make_folder, write_file, write_table
from livecell_monai.training.facts import TrainingResult, describe_card, describe_training
from livecell_monai.training.review import draw_samples, pick_unseen, show_split
from livecell_monai.training.weights import BestWeights

LAST = {"model": "network", "optimizer": "optimizer", "lr_scheduler": "lr_scheduler"}  #: key in last.pt: part
TEST_IMAGES = 6  # predicted for the page
FEW_TEST_IMAGES = 2  # if the whole run has less than SHORT_MINUTES
SHORT_MINUTES = 2.0


@dataclass
class BundleWriter:
    """Writes the bundle into the output folder when the training is over."""

    output_dir: str
    network: UNet  #: the network that is validated; it gets the weights that the bundle keeps
    best: BestWeights
    segmenter: Segmenter  #: of that network
    describe: Callable[..., str]  #: called with the facts that `card.md.j2` lists; returns the model card as Markdown
    #: called with the folder and the facts of `PageFacts`; writes figures, scores and page, and returns the fact `cells`
    draw: Callable[..., Mapping[str, Any] | None]
    plan: str | None = field(default=None, init=False)  #: text of the plan, kept as `configs/plan.yaml`; None without one

    def __post_init__(self) -> None:
        self.folder = Path(self.output_dir)

    def write(self, result: TrainingResult, parts: Mapping[str, Any], batches: Any, validation: Any) -> dict[str, Any]:
        """Write the whole bundle, and return what its metadata say of the training.

        Figures come last, so that a full disk costs no more than these. They show `batches` of augmented samples and
        predictions of preprocessed `validation` samples, whose cells they score for the model card.
        Raises a LiveCellError if a file cannot be written, or the configs do not fit the weights.
        """
        training = describe_training(result, self._write_weights(result, parts))
        images = [replace(sample, label=None, border=None) for sample in result.data.split.train]
        training[RANGES] = measure_map_ranges(self.segmenter, to_items(images))
        card = describe_card(result, training)
        self._write_bundle(result, training, self.describe(**card))
        try:
            cells = self._write_figures(result, training, batches, validation)
            write_file(self.folder / "docs" / "README.md", self.describe(**{**card, "cells": cells}))
        except DataError as error:
            raise DataError(
                f"{error}; the bundle is complete except for its figures: make the page by livecell report {self.folder} "
                "--data DATA"
            ) from error
        return training

    def _write_weights(self, result: TrainingResult, parts: Mapping[str, Any]) -> dict[str, str]:
        """Write the weights that are kept, load them into the network, and return their hash."""
        models = make_folder(self.folder / "models")
        if result.settings["keep_last_state"]:
            save_weights({key: parts[part].state_dict() for key, part in LAST.items()}, models / "last.pt")
        kept = self.best.weights if result.keeps_best else self.network.state_dict()
        written = write_weights(kept, models)
        self.network.load_state_dict(kept)
        return written

    def _write_bundle(self, result: TrainingResult, training: Mapping[str, Any], card: str) -> None:
        write_table(make_folder(self.folder / "docs") / "history.csv", result.history.rows)
        write_bundle(self.folder, result.settings, training, card, self.network.multiple, self.plan)
        # An overlay that changes network_def is no setting, and the written configs lack it.
        opened = open_bundle(self.folder, ["inference"])
        load_weights(opened.network_def, opened.checkpoint)

    def _write_figures(
        self, result: TrainingResult, training: Mapping[str, Any], batches: Any, validation: Any
    ) -> Mapping[str, Any] | None:
        data, settings = result.data, result.settings
        most = FEW_TEST_IMAGES if 0 < settings["minutes"] < SHORT_MINUTES else TEST_IMAGES
        tests = pick_unseen(data.dataset_dir, most, settings["seed"])
        validated = predict_samples(self.segmenter, validation, "validation")
        tested = predict_items(self.segmenter, to_items(tests), "test")
        return self.draw(
            self.folder / "docs",
            title=f"livecell U-Net trained on {data.name}",
            training=training,
            settings=result.shown_settings,
            versions=package_versions(),
            history=result.history.rows,
            threshold=settings["threshold"],
            split=SPLITS[data.split.mode].split,
            limit=SPLITS[data.split.mode].limit,
            plan=self.plan or "",
            sides=show_split(data.split),
            samples=draw_samples(batches),
            predictions=itertools.chain(validated, tested),
            expected=len(validation) + len(tests),
            diameter_px=measure_fingerprint(data.split.train).diameter_px,
        )
