"""Files that an earlier prediction wrote into a folder and the one that replaces it does not: overlays, plots, exports."""

import re
import zipfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from livecell_monai.data.paths import stem_of
from livecell_monai.errors import DataError
from livecell_monai.exchange.coco import HEAD
from livecell_monai.exchange.geojson import make_id
from livecell_monai.exchange.roi import COMMENT
from livecell_monai.outputs.summary import TABLE
from livecell_monai.runs.atomic import read_table, writing_errors

_SEARCHED = 2**20  # first bytes of a file, in which its mark must be
_FEATURE = re.compile(rb'"id":"([0-9a-f-]{36})".*?"t":(\d+)}.*?"name":"(\d+)"', re.DOTALL)
#: names that only a prediction gives
_OWN_ENDINGS = (
    "_overlay.png",
    "_overlay_first.png",
    "_overlay_middle.png",
    "_overlay_last.png",
    "_confluency.png",
    "_frames.csv",
    "_probability.tif",
    "_probability.ome.tif",
)


def find_stale(folder: Path, patterns: Sequence[str]) -> dict[str, list[Path]]:
    """The files of an earlier prediction by the name of their image; none without its `summary.csv`.

    Only files that a prediction has written count: of an image in the table, not changed after it, and with a name that no
    other program gives, or with a mark of ours inside. Call it before the table is replaced.

    Args:
        folder: of the results.
        patterns: names of files of all outputs, `{name}` in place of the name of the image.
    """
    table, found = folder / TABLE, dict[str, list[Path]]()
    with suppress(OSError, DataError, KeyError):
        written = table.stat().st_mtime
        for name in dict.fromkeys(row["image"] for row in read_table(table)):
            paths = [folder / pattern.format(name=name) for pattern in dict.fromkeys(patterns) if "{name}" in pattern]
            found[name] = [path for path in paths if path.is_file() and _is_of(path, name, written)]
    return found


def remove_stale(found: dict[str, list[Path]], names: Collection[str], own: Collection[str]) -> None:
    """Delete the files of images that were predicted again, but for `own`, the names of files of this run.

    A file with the stem of another image of the run stays. Raises a DataError if one cannot be deleted.
    """
    for name in names:
        for path in found.get(name, []):
            if path.name not in own and stem_of(path) not in set(names) - {name}:
                with writing_errors(path):
                    path.unlink(missing_ok=True)


def _is_of(path: Path, name: str, written: float) -> bool:
    """Whether a prediction has written a file of an image, and nobody has changed it after the table."""
    if path.stat().st_mtime > written:
        return False
    return path.name.removeprefix(name) in _OWN_ENDINGS or _has_mark(path, name)


def _has_mark(path: Path, name: str) -> bool:
    """Whether an export is ours: by the comment of a zip, the head of COCO, the id of the first feature of GeoJSON."""
    with suppress(OSError, zipfile.BadZipFile, ValueError):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as file:
                return file.comment == COMMENT
        with open(path, "rb") as stream:
            head = stream.read(_SEARCHED)
        if path.suffix == ".json":
            return head.startswith(HEAD.encode())
        if path.suffix == ".geojson" and (first := _FEATURE.search(head)):
            own, frame, number = (part.decode("ascii") for part in first.groups())
            return own == make_id(name, int(frame), int(number))
    return False
