"""From recipe, overlays and settings to an opened training."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecell_monai.bundle.open import OpenBundle, open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.plan import Choice, describe_fingerprint, format_plan, measure_fingerprint, plan_training
from livecell_monai.settings import SETTINGS
from livecell_monai.training.history import OnEpoch
from livecell_monai.training.request import TrainingRequest
from livecell_monai.training.start import NONE, choose_start

RECIPES = ("planned", "original")


@dataclass(frozen=True)
class RunContext:
    """Options of a call of `train` that the weights do not depend on."""

    started: float | None = None  #: `time.monotonic()` from which a budget of minutes counts; None for now
    parent_run: str | None = None  #: id of the MLflow run that this run is nested under
    on_epoch: OnEpoch | None = None  #: an exception ends the training; must be None on several devices
    resume: bool = False  #: resume the interrupted training of the same request if the folder has one
    on_shown: Callable[[str], None] | None = None  #: called at the end with where a browser shows the MLflow run
    sends_weights: bool = True  #: whether MLflow gets the weights
    force: bool = False  #: resume even if the data have changed
    starts: Collection[str] = ()  #: SHA-256 of the starts that the training may begin with; empty for any
    request: TrainingRequest | None = None  #: recorded so that the training can be resumed without its files; set by `train`

    def apply(self, opened: OpenBundle) -> None:
        """Hand the options to a training that is initialised and not running yet."""
        session = opened.session
        self._check_start(session.start.facts)
        session.on_epoch = self.on_epoch
        session.tracker.parent, session.tracker.on_shown = self.parent_run, self.on_shown
        session.tracker.sends_weights = self.sends_weights
        session.writer.plan = None if self.request is None else self.request.plan
        session.checkpoints.request, session.checkpoints.force = self.request, self.force
        opened.budget.count_from(time.monotonic() if self.started is None else self.started)

    def _check_start(self, facts: Mapping[str, str]) -> None:
        if facts and self.starts and facts["start_sha256"] not in self.starts:
            raise SettingError(
                f"setting start must be the same weights in every training of a study, {facts['start']} has changed since "
                "the study was opened; restore it, or name another folder"
            )


def resolve_settings(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, recipe: str = "planned"
) -> dict[str, Any]:
    """The value of every setting that `train` would use, from configs, plan, overlays and settings; writes nothing."""
    with prepare_overlays(data, overlays, settings, recipe) as (_, layers):
        return open_training(data, "unused", layers, settings).settings


@contextmanager
def prepare_overlays(
    data: str | Path, overlays: Sequence[str], settings: Mapping[str, Any] | None, recipe: str, devices: int = 1
) -> Iterator[tuple[str | None, list[str]]]:
    """The text of the plan, None without one, and all overlays: first that of the recipe."""
    if recipe not in RECIPES:
        raise SettingError(f"the recipe must be one of {', '.join(RECIPES)}, got {recipe!r}; correct it")
    if recipe == "original":
        yield None, ["original", *overlays]
        return
    text = format_plan(*plan(data, overlays, settings, devices))
    with TrainingRequest(str(data), plan=text).as_files() as files:
        yield text, [*files, *overlays]  # overlays and settings override the plan


def plan(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, devices: int = 1
) -> tuple[dict[str, Choice], str]:
    """The plan that `train` would make for a data folder or datalist, and a description of the images."""
    opened = open_training(data, "unused", overlays, settings)
    # of the training part only: held-out pixels must not influence the plan
    fingerprint = measure_fingerprint(opened.split.train)
    can_add_level = all(opened.settings[name] == SETTINGS[name].default for name in ("filters", "patch_size", "window"))
    head = "\n".join(f"{what}: {words}" for what, words in describe_fingerprint(fingerprint))

    def choose(has_start: bool) -> tuple[dict[str, Choice], dict[str, Choice]]:
        choices = plan_training(fingerprint, opened.settings["minutes"], opened.multiple, can_add_level, devices, has_start)
        planned = {name: choice.value for name, choice in choices.items()}
        return choices, choose_start({**opened.settings, **planned, **opened.given})

    choices, start = choose(has_start=True)
    if start["start"].value == NONE:  # also where a start does not fit the network of this plan
        choices, start = choose(has_start=False)
    return choices | start, head


def open_training(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str],
    settings: Mapping[str, Any] | None,
    unlabelled: Sequence[str | Path] = (),
    resume: bool = False,
    config: str = "train",
) -> OpenBundle:
    """The bundle opened for a training, ready to `initialize` and `run`; the arguments are those of `tasks.train`.

    With `resume`, it resumes the training in the output folder. `config` is `train` for one process, `multi_gpu_train` for
    one of several.
    Raises a SettingError if a setting is unknown or breaks its rule.
    """
    paths: dict[str, Any] = {
        "dataset_dir": str(Path(data).resolve()),
        "output_dir": str(Path(output).resolve()),
        "unlabelled": [str(Path(path).absolute()) for path in unlabelled] or None,
        **({"resume": True} if resume else {}),
    }
    configs = dict.fromkeys(["inference", "train", config])
    return open_bundle(find_template(), list(configs), settings, paths, overlays, run_id="training", workflow_type="train")
