"""Which folders and files are movies of numbered frames, as --movie says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livecell_monai.data.paths import list_images, names_frames
from livecell_monai.errors import DataError
from livecell_monai.sample import IMAGE, NAME


def list_movies(inputs: Sequence[str | Path]) -> list[dict[str, Any]]:
    """One dictionary a movie: the folder or glob of its frames under `image`, and its name, that of the folder.

    Args:
        inputs: folders, globs, or all files of a folder, as a shell makes them of a glob that stands without quotes.

    Raises:
        DataError: where an input stands for nothing, files are named that are not all of their folder, or two movies would
            write the same output.
    """
    paths: dict[Path, None] = {}
    files: dict[Path, list[Path]] = {}
    for given in inputs:
        path = Path(given)
        if not names_frames(path) and path.exists():
            files.setdefault(path.parent, []).append(path)
        elif not path.exists() and any(mark in str(path.parent) for mark in "*?["):
            raise DataError(f"{path}: the glob of a movie must have stars in its last part alone; give one for each folder")
        else:
            paths.setdefault(path)
    for folder, named in files.items():
        if len(named) == 1:
            raise DataError(
                f"{named[0]}: a movie of --movie must be a folder or glob of numbered frames, got one file;"
                " leave out --movie for a file that is a movie itself"
            )
        if set(list_images(named)) != set(list_images([folder])):
            raise DataError(
                f"{named[0]}: frames of --movie must be all images of their folder, {len(named)} are named;"
                " give the folder, or the glob in quotes"
            )
        paths.setdefault(folder)
    return [{NAME: name, IMAGE: str(path)} for name, path in _name(list(paths)).items()]


def _name(paths: Sequence[Path]) -> dict[str, Path]:
    names: dict[str, Path] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        name = folder.resolve().name or "movie"
        # compared without case: a file system may not tell `A` from `a`
        other = next((names[known] for known in names if known.lower() == name.lower()), None)
        if other is not None:
            raise DataError(
                f"{path}: each movie must have an output name of its own, {other} has the same ({name});"
                " rename one or predict them into two folders"
            )
        names[name] = path
    return names
