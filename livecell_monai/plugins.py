"""Readers, losses, metrics and outputs of other packages, as entry points; `docs/extending.md` has examples."""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from livecell_monai.errors import SettingError, describe_error


@cache
def load_plugins(group: str) -> dict[str, Any]:
    """The objects that installed packages register as entry points of `livecell_monai.GROUP`, by name.

    Raises a SettingError if an entry point cannot be loaded, or two packages use one name.
    """
    found: dict[str, Any] = {}
    for entry in entry_points(group=f"livecell_monai.{group}"):
        package = entry.dist.name if entry.dist is not None else entry.value
        if entry.name in found:
            raise SettingError(
                f"{package}: the name {entry.name!r} in livecell_monai.{group} is taken by another package; uninstall one"
            )
        try:
            found[entry.name] = entry.load()
        except Exception as error:
            reason = describe_error(error)
            raise SettingError(
                f"{package}: {entry.name!r} of livecell_monai.{group} cannot be loaded ({reason}); update or uninstall it"
            ) from error
    return found
