"""A bundle opened: the installed template with the bundle's settings, and each of its parts as a typed attribute."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai.bundle import ComponentLocator, ConfigParser, ConfigWorkflow
from monai.engines import SupervisedEvaluator
from torch import nn

from livecell_monai.bundle.contents import read_bundle_settings
from livecell_monai.bundle.template import find_overlay, find_template, read_overlay
from livecell_monai.errors import find_user_error
from livecell_monai.network import Ensemble, UNet
from livecell_monai.settings import CONFIGS, check_settings, check_values, list_settings

if TYPE_CHECKING:  # what the template builds lies in packages above
    from livecell_monai.data.dataset.items import Item
    from livecell_monai.data.dataset.split import Split
    from livecell_monai.outputs.unfinished import UnfinishedRun
    from livecell_monai.prediction.datasets import ReadableDataset
    from livecell_monai.prediction.large.predictor import LargeImagePredictor
    from livecell_monai.prediction.segmenter import Segmenter
    from livecell_monai.training.budget import Budget
    from livecell_monai.training.session import TrainingSession

TEMPLATES = (*CONFIGS, "multi_gpu_train")  #: configs that define more than settings
_LOCATOR = ComponentLocator()  # shared: it searches all modules of MONAI on first use


class OpenBundle:
    """The parts of a bundle; each is built when it is first asked for.

    Args:
        root: the folder.
        settings: the value of every setting by name, `auto` as it is.
        workflow: MONAI's, with the template's configs.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any], workflow: ConfigWorkflow) -> None:
        self.root = root
        self.settings = dict(settings)
        self.workflow = workflow

    def initialize(self) -> None:
        """Check everything that can be checked before work begins."""
        self.workflow.initialize()

    def run(self) -> Any:
        """Run what was asked for when the bundle was opened, and give its result."""
        # not its `run`, which puts the bundle's folder on Python's search path
        return self.workflow._run_expr(id=self.workflow.run_id)[0]

    def finalize(self) -> None:
        """What the configs do after a run."""
        self.workflow.finalize()

    def build(self, part: str) -> Any:
        """A part of the configs by its id, built.

        Raises:
            LiveCellError: what the user can correct, where MONAI has wrapped it.
        """
        try:
            return self.workflow.parser.get_parsed_content(part)
        except Exception as error:
            known = find_user_error(error)
            if known is None:
                raise
            raise known from None

    @property
    def network_def(self) -> UNet | Ensemble:
        """The network as it is defined, with random weights."""
        return self.build("network_def")  # type: ignore[no-any-return]

    @property
    def multiple(self) -> int:
        """What Y and X of the network's input must be multiples of."""
        multiple: int = self.network_def.multiple
        return multiple

    @property
    def network(self) -> nn.Module:
        """The network with the bundle's weights, ready for prediction."""
        return self.build("ready")  # type: ignore[no-any-return]

    @property
    def segmenter(self) -> "Segmenter":
        """From an image to its maps and mask; `network` loads its weights."""
        return self.build("segmenter")  # type: ignore[no-any-return]

    @property
    def checkpoint(self) -> Path:
        """The file of the weights."""
        return Path(self.build("checkpoint"))

    @property
    def output_dir(self) -> Path:
        """The folder of the results."""
        return Path(self.build("output_dir"))

    @property
    def images(self) -> list["Item"]:
        """The images that the evaluator predicts."""
        return self.build("images")  # type: ignore[no-any-return]

    @property
    def dataset(self) -> "ReadableDataset":
        """The same, prepared as they are asked for."""
        return self.build("dataset")  # type: ignore[no-any-return]

    @property
    def evaluator(self) -> SupervisedEvaluator:
        """MONAI's engine."""
        return self.build("evaluator")

    @property
    def writer(self) -> Any:
        """What writes the results."""
        return self.build("writer")

    @property
    def large_images(self) -> "LargeImagePredictor":
        """The images that are predicted part by part."""
        return self.build("large_images")  # type: ignore[no-any-return]

    @property
    def unfinished(self) -> "UnfinishedRun":
        """The record of the prediction."""
        return self.build("unfinished")  # type: ignore[no-any-return]

    @property
    def split(self) -> "Split":
        """Training and validation data."""
        return self.build("partition")  # type: ignore[no-any-return]

    @property
    def training_batches(self) -> Any:
        """What the trainer iterates over."""
        return self.build("train#dataloader")

    @property
    def budget(self) -> "Budget":
        """How far the training is."""
        return self.build("budget")  # type: ignore[no-any-return]

    @property
    def session(self) -> "TrainingSession":
        """The training."""
        return self.build("session")  # type: ignore[no-any-return]

    def check_training(self) -> None:
        """Check what can be checked before the processes of a training start: images without labels, and the tracker."""
        self.build("teacher")
        self.build("session#tracker").check()


def open_bundle(
    bundle: str | Path,
    configs: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    paths: Mapping[str, Any] | None = None,
    overlays: Sequence[str] = (),
    run_id: str = "run",
    workflow_type: str = "infer",
) -> OpenBundle:
    """Open a bundle, ready to `initialize` and `run`; nothing of it is evaluated.

    Args:
        bundle: the folder of a trained bundle, or the template.
        configs: names of the template's files, later ones over earlier ones.
        settings: values over those of the bundle, by name of the setting.
        paths: where to read and write; not settings of the method.
        overlays: files with settings over those of the bundle; later ones over earlier ones.
        run_id: what `run` runs.
        workflow_type: `train` or `infer`.

    Raises:
        BundleError: the folder is no bundle.
        SettingError: a setting is unknown or breaks its rule.
    """
    root, template = Path(bundle).resolve(), find_template().resolve()
    files = [template / "configs" / f"{name}.yaml" for name in configs if name in TEMPLATES]
    own = [name for name in configs if name in CONFIGS]
    values = {} if root == template else read_bundle_settings(root, own)
    for overlay in (*(name for name in configs if name not in TEMPLATES), *overlays):
        values |= read_overlay(find_overlay(overlay), own)
    values |= check_values(settings or {}, own)
    resolved = check_settings({**list_settings(own), **values}, is_training=workflow_type == "train")
    with warnings.catch_warnings():
        # MONAI warns on every run that configs are code; these are those of the installed package
        warnings.simplefilter("ignore")
        logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
        workflow = ConfigWorkflow(
            config_file=None,
            meta_file=str(template / "configs" / "metadata.json"),  # a foreign one would be evaluated
            logging_file=False,
            run_id=run_id,
            workflow_type=workflow_type,
        )
    workflow.parser.locator = _LOCATOR
    workflow.parser.read_config(deepcopy(_read_configs(tuple(files))))
    workflow.parser.update({"bundle_root": str(root), **values, **(paths or {})})
    over = {name: value for name, value in (paths or {}).items() if name in resolved}
    return OpenBundle(root, {**resolved, **over}, workflow)


@cache
def _read_configs(files: tuple[Path, ...]) -> dict[str, Any]:
    """The configs merged by MONAI; read once, since its YAML reader is slow."""
    content: dict[str, Any] = ConfigParser.load_config_files(list(files))
    return content
