"""Checks that no file is lost, made before prediction starts."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from livecell_monai.data.dataset.items import Item
from livecell_monai.data.readers import find_file
from livecell_monai.errors import SettingError
from livecell_monai.sample import FRAMES, IMAGE, NAME


def check_empty_folder(output_dir: str | Path, apart_from: str = "") -> Path:
    """Check that an output folder is writable and empty but for a file named `apart_from`, or new; else a SettingError."""
    folder = _check_folder(Path(output_dir))
    if folder.exists() and any(path.name != apart_from for path in folder.iterdir()):
        raise SettingError(f"{folder}: the output folder must be empty or new; name another folder or empty this one")
    return folder


def check_outputs(
    output_dir: str | Path, names: Sequence[str], items: Sequence[Item], overwrite: bool, movie_names: Sequence[str] = ()
) -> None:
    """Raise a SettingError for the first result that would overwrite an input, or an earlier result without `overwrite`.

    The names are the result files of an image or of a movie; `{name}` stands for its name.
    """
    folder = _check_folder(Path(output_dir))
    for patterns, is_movie in ((names, False), (movie_names, True)):
        own = [name for name in patterns if "{name}" in name]
        if own:  # of a prediction, whose ledger has an entry for each image
            check_name_lengths(folder, [*own, "{name}.json"], [item for item in items if (FRAMES in item) == is_movie])
    check_distinct(folder, ((item[NAME], movie_names if FRAMES in item else names) for item in items))
    inputs = {_identity(path) for path in {find_file(item[IMAGE]) for item in items} if path.exists()}
    for item in items:
        for pattern in movie_names if FRAMES in item else names:
            path = folder / pattern.format(name=item[NAME])
            # compared by inode: some file systems ignore upper and lower case
            if path.exists() and _identity(path) in inputs:
                raise SettingError(f"{path}: a result would overwrite an input; name another output folder")
            if path.is_dir() and "{name}" not in pattern:
                raise SettingError(f"{path}: must be a file, a folder of this name exists; remove it or name another folder")
            if path.exists() and not overwrite:
                raise SettingError(f"{path}: already exists; name another output folder or use --overwrite")


def check_distinct(folder: Path, results: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Raise a SettingError for the first two images that have the same result file, such as `a` and `a_cells`.

    The results are the name of each image with its files; `{name}` stands for the name.
    """
    written: dict[str, str] = {}
    for name, patterns in results:
        for pattern in patterns:
            file = pattern.format(name=name)
            other = written.setdefault(file, name) if "{name}" in pattern else name
            if other != name:
                raise SettingError(f"{folder / file}: {name} and {other} have the same result file; rename one of them")


def check_name_lengths(folder: Path, names: Sequence[str], items: Sequence[Item]) -> None:
    """Raise a SettingError for the first item whose files have names too long for the folder, which may not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with suppress(OSError, ValueError, AttributeError):  # Windows and some file systems do not state a limit
        longest = os.pathconf(existing, "PC_NAME_MAX")
        more = max(len(os.fsencode(name.format(name=""))) for name in names)
        for item in items:
            got = len(os.fsencode(item[NAME])) + more
            if got > longest:
                raise SettingError(
                    f"{find_file(item[IMAGE])}: the names of its results must have at most {longest} bytes in {folder}, the "
                    f"longest has {got}; shorten the name by {got - longest}"
                )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _check_folder(folder: Path) -> Path:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise SettingError(f"{folder}: the output must be a folder, {existing} is a file; name another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SettingError(f"{folder}: {existing} is not writable; name another output folder")
    return folder
