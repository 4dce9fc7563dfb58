"""Opens a bundle: the installed template with the bundle's settings, and each of its parts as a typed attribute."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from monai.bundle import ComponentLocator, ConfigParser, ConfigWorkflow
from monai.engines import SupervisedEvaluator
from torch import nn

from livecell_monai.bundle.contents import read_bundle_settings
from livecell_monai.bundle.foreign.files import is_foreign
from livecell_monai.bundle.foreign.model import check_given
from livecell_monai.bundle.foreign.stated import read_stated_settings
from livecell_monai.bundle.template import find_overlay, find_template, read_overlay
from livecell_monai.errors import find_user_error
from livecell_monai.network import Ensemble, UNet
from livecell_monai.settings import CONFIGS, check_settings, check_values, list_settings

if TYPE_CHECKING:  # the template builds parts of packages above this one
    from livecell_monai.data.dataset.items import Item
    from livecell_monai.data.dataset.split import Split
    from livecell_monai.outputs.unfinished import UnfinishedRun
    from livecell_monai.prediction.datasets import ReadableDataset
    from livecell_monai.prediction.large.predictor import LargeImagePredictor
    from livecell_monai.prediction.segmenter import Segmenter
    from livecell_monai.training.budget import Budget
    from livecell_monai.training.session import TrainingSession

T = TypeVar("T")
FOREIGN = "foreign"  # overlay for models of other tools
TEMPLATES = (*CONFIGS, FOREIGN, "multi_gpu_train")  # configs that define parts, not only settings
_LOCATOR = ComponentLocator()  # shared: it searches all modules of MONAI on first use


class Part(Generic[T]):
    """An attribute that builds a part of the configs by its id, once."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __get__(self, opened: "OpenBundle", owner: type) -> T:
        built: T = opened.build(self.part)
        return built


class OpenBundle:
    """An opened bundle; each part is built when it is first read.

    Args:
        root: the folder.
        settings: the value of every setting by name, `auto` not resolved.
        given: those that the bundle, overlays or the caller have set.
        workflow: MONAI's, with the template's configs.
    """

    network_def: "Part[UNet | Ensemble]" = Part("network_def")  #: with random weights
    network: Part[nn.Module] = Part("inference_network")  #: with the bundle's weights, ready for prediction
    segmenter: "Part[Segmenter]" = Part("segmenter")  #: from image to maps and mask; `network` loads its weights
    images: "Part[list[Item]]" = Part("images")  #: those that the evaluator predicts
    dataset: "Part[ReadableDataset]" = Part("dataset")  #: the preprocessed images
    evaluator: Part[SupervisedEvaluator] = Part("evaluator")
    writer: Part[Any] = Part("writer")  #: writes the results of a prediction
    large_images: "Part[LargeImagePredictor]" = Part("large_images")
    unfinished: "Part[UnfinishedRun]" = Part("unfinished")  #: the record of the prediction
    split: "Part[Split]" = Part("partition")  #: training and validation data
    training_batches: Part[Any] = Part("train#dataloader")
    budget: "Part[Budget]" = Part("budget")
    session: "Part[TrainingSession]" = Part("session")

    def __init__(self, root: Path, settings: Mapping[str, Any], given: Mapping[str, Any], workflow: ConfigWorkflow) -> None:
        self.root = root
        self.settings, self.given = dict(settings), dict(given)
        self.workflow = workflow

    def initialize(self) -> None:
        """Check everything that can be checked before the run starts."""
        self.workflow.initialize()

    def run(self) -> Any:
        """Run what `run_id` names, and return its result."""
        # not the workflow's `run`, which adds the bundle's folder to Python's search path
        return self.workflow._run_expr(id=self.workflow.run_id)[0]

    def finalize(self) -> None:
        """Run what the configs define for the end of a run."""
        self.workflow.finalize()

    def build(self, part: str) -> Any:
        """Build a part of the configs by its id.

        Raises the LiveCellError behind an error of MONAI.
        """
        try:
            return self.workflow.parser.get_parsed_content(part)
        except Exception as error:
            known = find_user_error(error)
            if known is None:
                raise
            raise known from None

    @property
    def multiple(self) -> int:
        """Y and X of the network's input must be multiples of this."""
        return self.network_def.multiple

    @property
    def checkpoint(self) -> Path:
        """The file of the weights."""
        return Path(self.build("checkpoint"))

    @property
    def output_dir(self) -> Path:
        """The folder of the results."""
        return Path(self.build("output_dir"))

    def check_training(self) -> None:
        """Check images without labels and the tracker, before the processes of a training start."""
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
    """Open a bundle, or a model of another tool in its place, ready to `initialize` and `run`; nothing of it is evaluated.

    Args:
        bundle: the folder of a trained bundle, the template, a bioimage.io package or an ONNX file.
        configs: names of the template's files; later ones override earlier ones.
        settings: values by name that override those of the bundle.
        paths: where to read and write, by the names in the configs.
        overlays: files of settings that override those of the bundle; later ones override earlier ones.
        run_id: the part that `run` runs.
        workflow_type: `train` or `infer`.

    Raises:
        BundleError: the folder is not a bundle.
        SettingError: a setting is unknown or its value invalid.
    """
    root, template = Path(bundle).resolve(), find_template().resolve()
    own = [name for name in configs if name in CONFIGS]
    if is_foreign(root):
        check_given(root, settings or {})
        known = list_settings(own)
        values = {name: value for name, value in read_stated_settings(root).items() if name in known}
        configs = [name for each in configs for name in ([each, FOREIGN] if each == "inference" else [each])]
    else:
        values = {} if root == template else read_bundle_settings(root, own)
    for overlay in (*(name for name in configs if name not in TEMPLATES), *overlays):
        values |= read_overlay(find_overlay(overlay), own)
    values |= check_values(settings or {}, own)
    resolved = check_settings({**list_settings(own), **values}, is_training=workflow_type == "train")
    files = tuple(template / "configs" / f"{name}.yaml" for name in configs if name in TEMPLATES)
    with warnings.catch_warnings():
        # MONAI warns on every run that configs are code; these are those of the installed package
        warnings.simplefilter("ignore")
        logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
        workflow = ConfigWorkflow(
            config_file=None,
            meta_file=str(template / "configs" / "metadata.json"),  # that of the bundle would be evaluated
            logging_file=False,
            run_id=run_id,
            workflow_type=workflow_type,
        )
    workflow.parser.locator = _LOCATOR
    workflow.parser.read_config(deepcopy(_read_configs(files)))
    workflow.parser.update(_unparsed({"bundle_root": str(root), **values, **(paths or {})}))
    of_paths = {name: value for name, value in (paths or {}).items() if name in resolved}
    return OpenBundle(root, {**resolved, **of_paths}, values, workflow)


def _unparsed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for MONAI's parser, which changes `#` in any text and evaluates one that begins with $, @ or %.

    Those with such a character, and mappings, are read from one object, which the parser does not look into.
    """
    marked = {
        name: value
        for name, value in values.items()
        if isinstance(value, Mapping) or any(mark in str(value) for mark in "#$@%")
    }
    return {**values, **{name: f"$@given[{name!r}]" for name in marked}, "given": MappingProxyType(marked)}


@cache
def _read_configs(files: tuple[Path, ...]) -> dict[str, Any]:
    """The configs merged by MONAI; read once, since its YAML reader is slow."""
    content: dict[str, Any] = ConfigParser.load_config_files(list(files))
    return content
