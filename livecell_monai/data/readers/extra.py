"""Imports libraries that are installed by an extra of this package."""

import importlib
from pathlib import Path
from typing import Any

from livecell_monai.errors import SettingError


def import_extra(path: Path, module: str, extra: str) -> Any:
    """The library that reads a format.

    Args:
        path: the file to read, for the message.
        module: the module to import.
        extra: the extra that installs it.

    Raises:
        SettingError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingError(
            f"{path}: this format needs the library {module.partition('.')[0]}, which cannot be imported"
            f" ({' '.join(str(error).split())[:100]}); pip install 'livecell-monai[{extra}]'"
        ) from error
