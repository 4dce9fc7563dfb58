"""Readers, losses, metrics and outputs of other packages: entry points by group, loaded once.

Example in a package's `pyproject.toml`: `[project.entry-points."livecell_monai.metrics"]` with
`hausdorff = "my_package:HAUSDORFF"`. `docs/extending.md` has a worked example of each group.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from livecell_monai.errors import SettingError

GROUPS = ("readers", "losses", "metrics", "outputs")  #: each is `livecell_monai.GROUP` in `pyproject.toml`


@cache
def load_plugins(group: str) -> dict[str, Any]:
    """The objects that installed packages register in one of `GROUPS`, by name.

    Raises:
        SettingError: an entry point cannot be loaded, or two packages use one name.
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
            reason = " ".join(str(error).split())[:160]
            raise SettingError(
                f"{package}: {entry.name!r} of livecell_monai.{group} cannot be loaded ({reason}); update or uninstall it"
            ) from error
    return found
