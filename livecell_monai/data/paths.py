"""What the name of a file says: whether it is an image, of which format, what it is called; and the images behind a path."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path

from livecell_monai.data.formats import OME_ZARR, find_format, list_formats
from livecell_monai.errors import DataError

#: endings, in lower case, of the image files that can be read without an extra
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".nii", ".nii.gz")

_DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".nii.gz", ".ome.zarr")


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image; hidden files (".DS_Store", "._cell.tif") are not."""
    return not path.name.startswith(".") and path.name.lower().endswith(list_endings())


def list_endings() -> tuple[str, ...]:
    """The endings, in lower case, of every file that is an image."""
    return tuple(dict.fromkeys((*SUFFIXES, *(ending for format_ in list_formats() for ending in format_.endings))))


def stem_of(path: Path) -> str:
    """The file's name without its ending, of which ".ome.tif", ".ome.tiff", ".nii.gz" and ".ome.zarr" are one.

    An image inside of an OME-Zarr folder bears the names of both: `plate.zarr/A/1/0` is `plate_A_1_0`.
    """
    outer = find_zarr(path)
    if outer is not None and outer != path and not path.suffix:
        return "_".join((stem_of(outer), *path.relative_to(outer).parts))
    double = next((suffix for suffix in _DOUBLE_SUFFIXES if path.name.lower().endswith(suffix)), None)
    return path.name[: -len(double)] if double else path.stem


def name_format(path: Path) -> str | None:
    """`TIFF`, `ND2`, `CZI`, `OME-Zarr` or that of another package, by the ending; None for single-plane formats.

    A folder inside of an OME-Zarr folder may be an image too: a field of a plate, one image of a collection.
    """
    found = find_format(path.name)
    if found is None and find_zarr(path) is not None and path.is_dir():
        found = OME_ZARR
    return None if found is None else found.name


def find_zarr(path: Path) -> Path | None:
    """The OME-Zarr folder that a path is or lies in, by the ending; the outermost."""
    return next((folder for folder in (*reversed(path.parents), path) if folder.name.lower().endswith(".zarr")), None)


def names_frames(path: Path) -> bool:
    """Whether a path stands for frames: a folder that is no OME-Zarr, or a glob such as `movie/t*.tif`."""
    if path.name.lower().endswith(".zarr"):
        return False
    return path.is_dir() or (any(mark in path.name for mark in "*?[") and not path.exists())


def require_there(path: Path) -> None:
    """Refuse a path with nothing behind it, a file in place of a folder or the other way round, and an empty file.

    Raises:
        DataError: where it is so.
    """
    if name_format(path) == "OME-Zarr":
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise DataError(f"{path}: an OME-Zarr image must be a folder, this {what}; check the path")
        return
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path}: an image must be a file, this {what}; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: an image must hold pixels, this file is empty (0 bytes); copy it again")


def list_images(inputs: Iterable[str | Path]) -> list[Path]:
    """The image files that files, folders and globs stand for, in the order given, each once.

    Raises:
        DataError: where an input stands for nothing.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        matches = [path] if path.exists() else _list_glob(str(given))
        inside = [
            image
            for match in matches
            for image in (list_folder(match) if match.is_dir() and find_zarr(match) is None else [_named(match)])
        ]
        if not inside:
            what = "the folder holds no image" if path.is_dir() else "no such file or folder"
            raise DataError(f"{given}: an input must be an image, a folder or a glob of images, {what}; correct it")
        found.update(dict.fromkeys(inside))
    return list(found)


def _list_glob(pattern: str) -> list[Path]:
    """What a glob stands for, sorted; what lies inside an OME-Zarr folder is part of that image."""
    found = [Path(name) for name in sorted(glob(pattern, recursive=True))]
    return [path for path in found if find_zarr(path) in (None, path)]


def list_folder(folder: Path) -> list[Path]:
    """The images of a folder, sorted; hidden files and other kinds are passed over."""
    try:
        return sorted(_named(path) for path in folder.iterdir() if is_image(path))
    except OSError as error:
        raise DataError(f"{folder}: the folder must be readable, got {error.strerror}; correct its rights") from error


def _named(path: Path) -> Path:
    """The path, whose name can be written into a table or a card."""
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = path.name.encode("utf-8", "backslashreplace").decode("utf-8")
        raise DataError(f"{path.parent}: a file name must be valid UTF-8, got {shown}; rename the file") from error
    return path
