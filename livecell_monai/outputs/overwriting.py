"""Nothing is lost: where results may be written, asked before any work is done."""

import os
from collections.abc import Sequence
from pathlib import Path

from livecell_monai.data.dataset.items import Item
from livecell_monai.data.readers import parse_address
from livecell_monai.errors import SettingError
from livecell_monai.sample import FRAMES, IMAGE, NAME


def check_empty_folder(output_dir: str | Path, apart_from: str = "") -> Path:
    """The folder that a run may fill: one that is empty or not there yet.

    Args:
        output_dir: the folder.
        apart_from: name of what may be in it.

    Raises:
        SettingError: where there is something in it.
    """
    folder = _check_file(Path(output_dir))
    if folder.exists() and any(path.name != apart_from for path in folder.iterdir()):
        raise SettingError(f"{folder}: the output folder must be empty or new, it is not; name another or remove it")
    return folder


def check_outputs(
    output_dir: str | Path,
    names: Sequence[str],
    items: Sequence[Item],
    overwrite: bool,
    movie_names: Sequence[str] = (),
) -> None:
    """Refuse to write where something would be lost.

    Args:
        output_dir: folder of the results.
        names: the files that each image's results are written to, `{name}` in place of the image's name, or as they are.
        items: the images, none of which may be written over; frames of one movie share its name.
        overwrite: whether results of an earlier run may be.
        movie_names: the files of each movie, likewise.

    Raises:
        SettingError: the first file that would be lost.
    """
    folder = _check_file(Path(output_dir))
    addresses = [(parse_address(item[IMAGE]), item[IMAGE]) for item in items]
    files = {Path(image) if address is None else address.path for address, image in addresses}
    inputs = {_identity(path) for path in files if path.exists()}
    written: dict[Path, str] = {}
    for item in items:
        for pattern in movie_names if FRAMES in item else names:
            path = folder / pattern.format(name=item[NAME])
            # asked of the file system, which may not tell `A.tif` from `a.tif`
            if path.exists() and _identity(path) in inputs:
                raise SettingError(f"{path}: a result must not be written over an input; name another output folder")
            other = written.setdefault(path, item[NAME]) if "{name}" in pattern else item[NAME]
            if other != item[NAME]:
                raise SettingError(f"{path}: each result must have a name of its own, {other} has the same; rename one")
            if path.exists() and not overwrite:
                raise SettingError(f"{path}: a result must not be there yet, it is; name another folder or --overwrite")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _check_file(folder: Path) -> Path:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise SettingError(f"{folder}: the output must be a folder, {there} is a file; name another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise SettingError(f"{folder}: the output must lie where you may write, {there} is not; name another")
    return folder
