"""The command that shows what can be set."""

from typing import Annotated

import typer

from livecell_monai.cli.app import app
from livecell_monai.cli.tables import show_table


@app.command()
def settings(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Settings to show; all by default.")] = None,
) -> None:
    """Show the settings with their default, allowed values, unit and description.

    Example: `livecell settings lr scale`
    """
    from livecell_monai.settings import SETTINGS, find_setting
    from livecell_monai.settings.rendering import to_yaml

    chosen = [find_setting(name) for name in names or SETTINGS]
    rows = [[each.name, to_yaml(each.default), each.rule, each.unit, each.description] for each in chosen]
    show_table(["setting", "default", "values", "unit", "description"], rows)
