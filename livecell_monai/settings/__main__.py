"""`make settings`: write the schema into the template's YAML and the documentation of this checkout."""

from pathlib import Path

from livecell_monai.settings.rendering import write_all

for path in write_all(Path.cwd()):
    print(path)  # noqa: T201
