"""The folder of a trained bundle as data: its settings and its metadata, read within bounds and never evaluated.

`livecell` runs the template of the installed package with these values. The YAML that lies beside them is a copy of the
template for MONAI's own command, which evaluates it.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from livecell_monai.bundle.plain_yaml import read_values
from livecell_monai.errors import BundleError
from livecell_monai.settings import CONFIGS, SETTINGS, check_values

SETTINGS_FILE = "settings.yaml"
PARTS = ("configs", "docs", "models")
MOST_METADATA = 2**24  # bytes


def check_links(root: Path) -> None:
    """Refuse symbolic links among the files of a bundle: what they name is not part of it.

    Raises:
        BundleError: the first one.
    """
    for part in PARTS:
        for folder, names, files in os.walk(root / part):
            for name in (".", *names, *files):
                path = Path(os.path.normpath(Path(folder) / name))
                if path.is_symlink():
                    raise BundleError(
                        f"{path}: a bundle must not contain symbolic links, this one points to {os.readlink(path)!r}; "
                        "replace it by a copy of the file"
                    )


def check_bundle(root: Path) -> None:
    """Refuse a folder that no training of this version has left.

    Raises:
        BundleError: what is missing, or a symbolic link.
    """
    if not (root / "configs").is_dir():
        raise BundleError(f"{root}: a bundle must have a folder configs/, found none; name the folder that training wrote")
    check_links(root)
    if not (root / "configs" / SETTINGS_FILE).is_file():
        raise BundleError(
            f"{root}: a bundle must have configs/{SETTINGS_FILE}, found none; bundles of livecell-monai 0.1 and 0.2 cannot "
            "be opened, train again"
        )
    if not (root / "configs" / "metadata.json").is_file():  # it has the hashes of the weights
        raise BundleError(
            f"{root}: a bundle must have configs/metadata.json, found none; name the folder that training wrote"
        )


def read_bundle_settings(root: Path, configs: Iterable[str] = CONFIGS) -> dict[str, Any]:
    """The settings of a trained bundle by name, each checked against the schema.

    Args:
        root: the folder.
        configs: the files of the template whose settings are wanted.

    Raises:
        BundleError: the folder is no bundle.
        SettingError: its settings are not plain YAML, or one breaks its rule.
    """
    check_bundle(root)
    path = root / "configs" / SETTINGS_FILE
    values = read_values(path, "the settings of a bundle")
    if not isinstance(values, dict):
        raise BundleError(f"{path}: the settings of a bundle must be a mapping, got {str(values)[:60]!r}; restore the file")
    wanted = set(configs)
    return {name: value for name, value in check_values(values, where=str(path)).items() if SETTINGS[name].config in wanted}


def read_metadata(root: Path) -> dict[str, Any]:
    """What `configs/metadata.json` of a bundle holds.

    Raises:
        BundleError: it is too large, or no JSON object with an object `training`.
    """
    path = root / "configs" / "metadata.json"
    try:
        if path.stat().st_size > MOST_METADATA:
            raise ValueError(f"more than {MOST_METADATA:,} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BundleError(f"{path}: the metadata must be JSON, got: {reason}; restore the file") from error
    if not isinstance(content, dict) or not isinstance(content.get("training", {}), Mapping):
        raise BundleError(f"{path}: the metadata must be a JSON object, with an object `training`; restore the file")
    return content
