"""From recipe, overlays and settings to an opened training."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livecell_monai.bundle.open import OpenBundle, open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.plan import Choice, describe_fingerprint, measure_fingerprint, plan_training, write_plan
from livecell_monai.settings import SETTINGS

RECIPES = ("planned", "original")


def resolve_settings(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, recipe: str = "planned"
) -> dict[str, Any]:
    """The value of every setting that `train` would use, from configs, plan, overlays and settings; writes nothing.

    Raises:
        LiveCellError: the data or a setting breaks a rule.
    """
    with prepare_overlays(data, overlays, settings, recipe) as (_, layers):
        return open_training(data, "unused", layers, settings).settings


@contextmanager
def prepare_overlays(
    data: str | Path, overlays: Sequence[str], settings: Mapping[str, Any] | None, recipe: str, devices: int = 1
) -> Iterator[tuple[str | None, list[str]]]:
    """The file of the plan, None without one, and all overlays: first that of the recipe.

    Raises:
        SettingError: the recipe is unknown.
    """
    if recipe not in RECIPES:
        raise SettingError(f"the recipe must be one of {', '.join(RECIPES)}, got {recipe!r}; correct it")
    if recipe == "original":
        yield None, ["original", *overlays]
        return
    choices, head = plan(data, overlays, settings, devices)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "plan.yaml")
        write_plan(file, choices, head)
        yield file, [file, *overlays]  # overlays and settings override the plan


def plan(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, devices: int = 1
) -> tuple[dict[str, Choice], str]:
    """The plan that `train` would make for a data folder or datalist, and the fingerprint in words.

    Raises:
        LiveCellError: the data or a setting breaks a rule.
    """
    opened = open_training(data, "unused", overlays, settings)
    # of the training part only: held-out pixels must not influence the plan
    fingerprint = measure_fingerprint(opened.split.train)
    can_add_level = all(opened.settings[name] == SETTINGS[name].default for name in ("filters", "patch_size", "window"))
    head = "\n".join(f"{what}: {words}" for what, words in describe_fingerprint(fingerprint))
    return plan_training(fingerprint, opened.settings["minutes"], opened.multiple, can_add_level, devices), head


def open_training(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str],
    settings: Mapping[str, Any] | None,
    unlabelled: Sequence[str | Path] = (),
    resume: bool = False,
    config: str = "train",
) -> OpenBundle:
    """The bundle opened for a training, ready to `initialize` and `run`.

    Args:
        data: data folder or datalist.
        output: the folder that becomes the bundle.
        overlays: configs over those of training, later ones over earlier ones.
        settings: values over those of the configs.
        unlabelled: files, folders or globs of images without labels.
        resume: whether to resume the training in the output folder.
        config: of the template, over `inference` and `train`; `train` itself for one process.

    Raises:
        LiveCellError: a setting is unknown or of another type.
    """
    paths: dict[str, Any] = {
        "dataset_dir": str(Path(data).resolve()),
        "output_dir": str(Path(output).resolve()),
        "unlabelled": [str(Path(path).absolute()) for path in unlabelled] or None,
        **({"resume": True} if resume else {}),
    }
    configs = dict.fromkeys(["inference", "train", config])
    return open_bundle(find_template(), list(configs), settings, paths, overlays, run_id="training", workflow_type="train")
