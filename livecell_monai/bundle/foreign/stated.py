"""The settings that a package written by `livecell export-model` states: those that turn its maps into mask and cells."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livecell_monai.bundle.foreign.description import parse_description
from livecell_monai.bundle.foreign.files import ONNX, PackageFiles
from livecell_monai.errors import SettingError
from livecell_monai.settings import check_values

#: settings that turn maps into cells, see `cells.decode.Decoding`; lengths and areas in px of the image
CELLS = ("seed_depth", "cell_diameter", "map_threshold", "min_cell_area", "min_border_cell_area")
THRESHOLD = "threshold"  #: of the foreground, for the mask
OWN = "livecell"  #: in `config` of the description: the facts that `packaging` writes


def read_stated_settings(path: Path) -> dict[str, Any]:
    """The settings by name that a package states; none of an ONNX file, and of a package of another tool.

    Raises a BundleError if the package cannot be read, a SettingError if a value breaks the rule of its setting.
    """
    if path.suffix.lower() == ONNX and path.is_file():
        return {}
    files = PackageFiles(path)
    config = parse_description(files).get("config")
    own = config.get(OWN) if isinstance(config, Mapping) else None
    if not isinstance(own, Mapping):
        return {}
    cells, where = own.get("cells", {}), f"{path}: {files.description}: config.{OWN}"
    if not isinstance(cells, Mapping):
        raise SettingError(f"{where}.cells must be a mapping of settings, got {str(cells)[:40]!r}; export the model again")
    stated = {
        name: source[name] for source, names in ((own, (THRESHOLD,)), (cells, CELLS)) for name in names if name in source
    }
    return check_values(stated, where=where)
