"""Settings and metadata of a trained bundle, read as data and never evaluated.

`livecell` runs the installed template with these values. The YAML in the bundle is a copy for MONAI's own command.
"""

import json
import os
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from livecell_monai.bundle.plain_yaml import read_values
from livecell_monai.data.paths import is_image
from livecell_monai.errors import BundleError, describe_error
from livecell_monai.settings import CONFIGS, SETTINGS, check_values

SETTINGS_FILE, METADATA_FILE = "settings.yaml", "metadata.json"
MAX_METADATA_BYTES = 2**24


def check_links(root: Path) -> None:
    """Reject symbolic links in a bundle, which may point outside of it, by a BundleError."""
    for folder in (root / "configs", root / "docs", root / "models"):
        for path in chain([folder], folder.rglob("*")):
            if path.is_symlink():
                raise BundleError(
                    f"{path}: a bundle must not contain symbolic links, this one points to {os.readlink(path)!r}; "
                    "replace it by a copy of the file"
                )


def read_bundle_settings(root: Path, configs: Iterable[str] = CONFIGS) -> dict[str, Any]:
    """The settings of a trained bundle by name, those of the given configs only.

    Raises:
        BundleError: the folder is not a bundle, or contains a symbolic link.
        SettingError: the settings are not plain YAML, or one is invalid.
    """
    configs_folder, named = root / "configs", "name the folder that training wrote"
    if not configs_folder.is_dir():
        raise BundleError(f"{root}: a bundle must have a folder configs/, found none; {_find_remedy(root)}")
    check_links(root)
    outdated = "bundles of livecell-monai 0.1 and 0.2 cannot be opened, train again"
    for name, remedy in ((SETTINGS_FILE, outdated), (METADATA_FILE, named)):
        if not (configs_folder / name).is_file():
            raise BundleError(f"{root}: a bundle must have configs/{name}, found none; {remedy}")
    path = configs_folder / SETTINGS_FILE
    values = read_values(path, "the settings of a bundle")
    if not isinstance(values, dict):
        raise BundleError(f"{path}: the settings of a bundle must be a mapping, got {str(values)[:60]!r}; restore the file")
    wanted = set(configs)
    return {name: value for name, value in check_values(values, where=str(path)).items() if SETTINGS[name].config in wanted}


def _find_remedy(folder: Path) -> str:
    """What to name in place of a folder that is no bundle, by what it holds."""
    inner = sorted(path.parent.parent for path in folder.glob(f"*/configs/{METADATA_FILE}"))
    if inner:
        shown = inner[0] if len(inner) == 1 else f"{inner[0]} ({len(inner)} bundles are there)"
        more = ", or join its folds by livecell crossval --ensemble" if (folder / "crossval.json").is_file() else ""
        return f"name a bundle in it, such as {shown}{more}"
    is_data = any((folder / role / "images").is_dir() for role in ("train", "test"))
    if is_data or (folder.is_dir() and any(map(is_image, folder.iterdir()))):
        return "it holds images: the bundle that training wrote comes first, images or data second"
    return "name the folder that training wrote"


def read_metadata(root: Path) -> dict[str, Any]:
    """The content of `configs/metadata.json` of a bundle.

    Raises a BundleError if it is too large, or not a JSON object with an object `training`.
    """
    path = root / "configs" / METADATA_FILE
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            raise ValueError(f"more than {MAX_METADATA_BYTES:,} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: the metadata must be JSON, got: {describe_error(error)}; restore the file") from error
    if not isinstance(content, dict) or not isinstance(content.get("training", {}), Mapping):
        raise BundleError(f"{path}: the metadata must be a JSON object, with an object `training`; restore the file")
    return content
