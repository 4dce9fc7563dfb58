"""From recipe, overlays and settings to an opened training."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livecell_monai.bundle.open import find_template, open_bundle, read_settings
from livecell_monai.errors import SettingError
from livecell_monai.plan import Choice, describe_fingerprint, measure_fingerprint, plan_training, write_plan

RECIPES = ("planned", "original")


def resolve_settings(
    data: str | Path, overlays: Sequence[str] = (), settings: Mapping[str, Any] | None = None, recipe: str = "planned"
) -> dict[str, Any]:
    """The value of every setting that `train` would use, from configs, plan, overlays and settings; writes nothing.

    Raises:
        LiveCellError: the data or a setting breaks a rule.
    """
    known = read_settings([find_template() / "configs" / f"{name}.yaml" for name in ("inference", "train")])
    with prepare_overlays(data, overlays, settings, recipe) as (_, layers):
        parser = open_training(data, "unused", layers, settings).parser
        parser.get_parsed_content("validate_settings")
        return {name: parser[name] for name in known}


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
    parser = open_training(data, "unused", overlays, settings).parser
    parser.get_parsed_content("validate_settings")
    # of the training part only: held-out pixels must not influence the plan
    fingerprint = measure_fingerprint(parser.get_parsed_content("partition").train)
    multiple = parser.get_parsed_content("network_def").multiple
    template = read_settings([find_template() / "configs" / f"{name}.yaml" for name in ("inference", "train")])
    can_add_level = all(parser[name] == template[name] for name in ("filters", "patch_size", "window"))
    head = "\n".join(f"{name}: {words}" for name, words in describe_fingerprint(fingerprint))
    return plan_training(fingerprint, parser.get_parsed_content("minutes"), multiple, can_add_level, devices), head


def open_training(
    data: str | Path,
    output: str | Path,
    overlays: Sequence[str],
    settings: Mapping[str, Any] | None,
    started: float | None = None,
    unlabelled: Sequence[str | Path] = (),
    overlay: str = "train",
    **private: Any,
) -> Any:
    """Open the template for a training, ready to `initialize` and `run`.

    Args:
        data: data folder or datalist.
        output: the folder that becomes the bundle.
        overlays: configs that override those of training, later ones override earlier ones.
        settings: values that override those of the configs.
        started: `time.monotonic()` at the start of the program; None for now.
        unlabelled: files, folders or globs of images without labels.
        overlay: config of the template, over `train` and below all overlays.
        private: values of the configs that are no settings.

    Raises:
        LiveCellError: a setting is unknown or of another type.
    """
    paths: dict[str, Any] = {
        "dataset_dir": str(Path(data).resolve()),
        "output_dir": str(Path(output).resolve()),
        "started": time.monotonic() if started is None else started,
        "unlabelled": [str(Path(path).absolute()) for path in unlabelled] or None,
        **private,
    }
    configs = ["inference", "train", overlay]
    return open_bundle(find_template(), configs, settings, paths, overlays, run_id="training", workflow_type="train")
