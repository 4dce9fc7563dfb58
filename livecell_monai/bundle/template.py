"""The template: the bundle of the installed package, the only YAML that `livecell` evaluates."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from livecell_monai.bundle.plain_yaml import read_values
from livecell_monai.errors import BundleError, SettingError
from livecell_monai.settings import check_values


def find_template() -> Path:
    """The folder of the template, in the installed package or at the top of the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_bundle", package.parent / "bundle"):
        if (folder / "configs" / "inference.yaml").is_file():
            return folder
    raise BundleError(f"{package}: the package must contain its bundle, found none; install livecell-monai again")


def find_overlay(name: str) -> Path:
    """The file of an overlay, by its name in the template's `configs/` or by its path; `.yaml` may be omitted.

    Raises a SettingError if there is no such file.
    """
    configs = find_template() / "configs"
    given = Path(name if Path(name).suffix else f"{name}.yaml")
    for path in (configs / given, given) if given.name == str(given) else (given,):
        if path.is_file():
            return path.resolve()
    names = ", ".join(sorted(file.stem for file in configs.glob("*.yaml")))
    raise SettingError(f"{given}: an overlay must be a YAML file, found none; the template has {names}")


def read_overlay(path: Path, configs: Iterable[str]) -> dict[str, Any]:
    """The settings of an overlay by name; only settings of the given configs are allowed.

    Raises a SettingError if it is not plain YAML, or a setting is unknown or its value invalid.
    """
    values = read_values(path, "an overlay")
    if not isinstance(values, dict):
        raise SettingError(f"{path}: an overlay must be a mapping of settings, got {str(values)[:60]!r}; correct it")
    return check_values(values, configs, where=str(path))
