"""Parts that other packages add through entry points, such as an output or a metric."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from livecell_monai.errors import SettingError


@cache
def load_extensions(group: str) -> Mapping[str, Any]:
    """What the installed packages register under a group of entry points, by name.

    Args:
        group: such as `livecell_monai.outputs`.

    Raises:
        SettingError: one of them cannot be imported.
    """
    found = {}
    for point in entry_points(group=group):
        try:
            found[point.name] = point.load()
        except Exception as error:  # whatever another package raises when it is imported
            package = "an unknown package" if point.dist is None else point.dist.name
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise SettingError(
                f"{package}: the entry point {point.name} of {group} must be importable ({point.value}), got {reason}; "
                "update or uninstall the package"
            ) from error
    return found
