"""Libraries that are there where the user has asked for their format."""

import importlib
from pathlib import Path
from typing import Any

from livecell_monai.errors import SettingError


def import_extra(path: Path, module: str, extra: str) -> Any:
    """The library that reads a format.

    Args:
        path: the file that asks for it.
        module: name of the library to import.
        extra: of this package that brings it.

    Raises:
        SettingError: where it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingError(
            f"{path}: this format needs the library {module.partition('.')[0]}, which cannot be imported"
            f" ({' '.join(str(error).split())[:100]}); pip install 'livecell-monai[{extra}]'"
        ) from error
