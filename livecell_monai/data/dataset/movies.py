"""Finds the movies of numbered frames among the inputs of --movie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livecell_monai.data.paths import is_frame_series, list_images
from livecell_monai.errors import DataError
from livecell_monai.sample import IMAGE, NAME


def list_movies(inputs: Sequence[str | Path]) -> list[dict[str, Any]]:
    """One dictionary per movie: the folder or glob of its frames as `image`, and the folder's name.

    Args:
        inputs: folders, globs, or all files of a folder, which a shell makes of a glob without quotes.

    Raises:
        DataError: an input has no frames, only some files of a folder are given, or two movies have the same name.
    """
    paths: dict[Path, None] = {}
    files: dict[Path, list[Path]] = {}
    for given in inputs:
        path = Path(given)
        if not is_frame_series(path) and path.exists():
            files.setdefault(path.parent, []).append(path)
        elif not path.exists() and any(mark in str(path.parent) for mark in "*?["):
            raise DataError(f"{path}: the glob of a movie may have stars in its last part only; give one glob per folder")
        else:
            paths.setdefault(path)
    for folder, named in files.items():
        if len(named) == 1:
            raise DataError(
                f"{named[0]}: --movie needs a folder or glob of numbered frames, got one file; leave out --movie for a file "
                "that is a movie itself"
            )
        if set(list_images(named)) != set(list_images([folder])):
            raise DataError(
                f"{named[0]}: the frames of --movie must be all images of their folder, got {len(named)} of them; give the "
                "folder, or the glob in quotes"
            )
        paths.setdefault(folder)
    return [{NAME: name, IMAGE: str(path)} for name, path in _name(list(paths)).items()]


def _name(paths: Sequence[Path]) -> dict[str, Path]:
    names: dict[str, Path] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        name = folder.resolve().name or "movie"
        # ignoring case, as some file systems do
        other = next((names[known] for known in names if known.lower() == name.lower()), None)
        if other is not None:
            raise DataError(
                f"{path}: each movie must have its own output name, {other} has the same ({name}); rename one or predict "
                "them into two folders"
            )
        names[name] = path
    return names
