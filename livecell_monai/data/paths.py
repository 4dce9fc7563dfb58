"""File names: whether a path is an image, its format and stem; the images of folders and globs."""

import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from glob import glob
from os.path import isdir
from pathlib import Path

from livecell_monai.data.checks.contents import find_kind
from livecell_monai.data.checks.limits import reading_errors
from livecell_monai.data.formats import OME_ZARR, TIFF, Format, list_formats
from livecell_monai.errors import DataError

#: endings, in lower case, of the image files that can be read without an extra
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".nii", ".nii.gz")
#: files and folders that Windows, macOS and network drives write
_SYSTEM_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir")
_SYSTEM_ENDING = ":zone.identifier"  # of a download's origin
_MAX_SHOWN = 5  # names in a line about skipped files
_DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".nii.gz", ".ome.zarr")


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name; hidden files (".DS_Store", "._cell.tif") are not."""
    return not path.name.startswith(".") and path.name.lower().endswith(list_endings())


def list_endings() -> tuple[str, ...]:
    """The endings, in lower case, of all image files."""
    return tuple(dict.fromkeys((*SUFFIXES, *(ending for format_ in list_formats() for ending in format_.endings))))


def stem_of(path: Path) -> str:
    """The file name without its ending, composed; ".ome.tif", ".ome.tiff", ".nii.gz" and ".ome.zarr" are one ending.

    An image inside an OME-Zarr folder includes the folder's stem: `plate.zarr/A/1/0` is `plate_A_1_0`.
    """
    outer = find_zarr(path)
    if outer is not None and outer != path and not path.suffix:
        return "_".join((stem_of(outer), *path.relative_to(outer).parts))
    return compose(path.name.removesuffix(ending_of(path)))


def ending_of(path: Path) -> str:
    """The ending that `stem_of` leaves out."""
    double = next((suffix for suffix in _DOUBLE_SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[-len(double) :] if double else path.suffix


def compose(name: str) -> str:
    """A name in the form in which names are compared, Unicode's NFC: macOS may store "ä" as "a" and an accent, NFD."""
    return unicodedata.normalize("NFC", name)


def find_format(path: Path) -> Format | None:
    """TIFF, ND2, CZI, OME-Zarr or a plugin's format, by the ending; None for single-plane formats and other files.

    A folder inside an OME-Zarr folder may be an image too: a field of a plate, one image of a collection.
    """
    lower = path.name.lower()
    found = next((format_ for format_ in list_formats() if lower.endswith(format_.endings)), None)
    return OME_ZARR if found is None and find_zarr(path) is not None and isdir(path) else found


def find_stored_format(path: Path) -> Format | None:
    """`find_format`, but a TIFF, PNG or JPEG that is named as another of them counts as what its first bytes say."""
    named = find_format(path)
    if named is not TIFF and not path.name.lower().endswith((".png", ".jpg", ".jpeg")):
        return named
    kind = find_kind(path)
    return TIFF if kind == "TIFF" else None if kind in ("PNG", "JPEG") else named


def find_zarr(path: Path) -> Path | None:
    """The outermost OME-Zarr folder that a path is or lies in, by its ending."""
    return next((folder for folder in (*reversed(path.parents), path) if folder.name.lower().endswith(".zarr")), None)


def is_frame_series(path: Path) -> bool:
    """Whether a path is a series of frames: a folder that is no OME-Zarr, or a glob such as `movie/t*.tif`."""
    if path.name.lower().endswith(".zarr"):
        return False
    return path.is_dir() or (any(mark in path.name for mark in "*?[") and not path.exists())


def check_image_path(path: Path) -> None:
    """Reject a missing path, a file instead of a folder or the reverse, and an empty file, with a DataError."""
    with reading_errors(path, "an image"):  # a folder without permission raises here
        is_folder = find_format(path) is OME_ZARR
        if not (path.is_dir() if is_folder else path.is_file()):
            what = "does not exist" if not path.exists() else "is a file" if is_folder else "is a folder"
            kind, rule = ("an OME-Zarr image", "a folder") if is_folder else ("an image", "a file")
            raise DataError(f"{path}: {kind} must be {rule}, this {what}; check the path")
        if not is_folder and path.stat().st_size == 0:
            raise DataError(f"{path}: an image must hold pixels, this file is empty (0 bytes); copy it again")


def list_images(inputs: Iterable[str | Path]) -> list[Path]:
    """The image files of files, folders and globs, in the given order, each once; none in an input is a DataError."""
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        images: list[Path] = []
        for match in [path] if path.exists() else _list_glob(str(given)):
            images += list_folder(match) if match.is_dir() and find_zarr(match) is None else [_check_name(match)]
        if not images:
            what = f"the folder holds {_describe_content(path)}" if path.is_dir() else "no such file or folder"
            raise DataError(f"{given}: an input must be an image, a folder or a glob of images, {what}; correct it")
        found.update(dict.fromkeys(images))
    return list(found)


def _describe_content(folder: Path) -> str:
    """What a folder without images holds."""
    inner = [place for role in ("test", "train") if (place := folder / role / "images").is_dir()]
    if inner:
        return f"no image itself, name {inner[0]}"
    if (folder / "configs" / "metadata.json").is_file():
        return f"a bundle, open {folder / 'docs' / 'report.html'} to see it"
    files, folders = _find_skipped(folder)
    if folders:
        return f"no image, but folders with images: {_shorten(folders)}"
    return f"no image, but {_shorten(files)}" if files else "no image"


def _list_glob(pattern: str) -> list[Path]:
    """The matches of a glob, sorted, without files inside OME-Zarr folders."""
    found = [Path(name) for name in sorted(glob(pattern, recursive=True))]
    return [path for path in found if find_zarr(path) in (None, path)]


def list_folder(folder: Path) -> list[Path]:
    """The images of a folder, sorted; hidden files and other files are skipped."""
    try:
        return sorted(_check_name(path) for path in folder.iterdir() if is_image(path))
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror}); correct its permissions") from error


def describe_skipped(inputs: Iterable[str | Path], with_empty: bool = False) -> list[str]:
    """One line for each folder of the inputs with files that are no images, and one with folders of images in it.

    Hidden files and those of operating systems do not count. Folders without images are left out, unless `with_empty`: the
    error of `list_images` names what they hold.
    """
    lines = []
    for folder in dict.fromkeys(path for path in map(Path, inputs) if path.is_dir() and find_zarr(path) is None):
        files, folders = _find_skipped(folder)
        if (files or folders) and not with_empty and not list_folder(folder):
            continue
        if files:
            what = "1 file that is" if len(files) == 1 else f"{len(files)} files that are"
            lines.append(f"{folder}: skipped {what} no readable image: {_shorten(files)}; save images as TIFF or PNG")
        lines += _describe_folders(folder, folders, "images")
    return lines


def describe_folders(folder: Path, endings: tuple[str, ...]) -> list[str]:
    """One line about the folders in a folder with images, or with files of these endings (lower case); none without any."""
    return _describe_folders(folder, _find_skipped(folder, endings)[1], "images or annotations")


def _describe_folders(folder: Path, names: Sequence[str], content: str) -> list[str]:
    what = "1 folder" if len(names) == 1 else f"{len(names)} folders"
    return [f"{folder}: skipped {what} with {content}: {_shorten(names)}; name folders one by one"] if names else []


def _find_skipped(folder: Path, endings: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """The names of a folder's files that are no images, and of its folders with images or files of these endings, sorted."""
    files, folders = [], []
    with suppress(OSError):  # a folder without permission: listing its images names it
        for path in folder.iterdir():
            name = path.name.lower()
            if is_image(path) or name.startswith(".") or name in _SYSTEM_FILES or name.endswith(_SYSTEM_ENDING):
                continue
            if path.is_file():
                files.append(path.name)
            elif path.is_dir() and any(is_image(each) or each.name.lower().endswith(endings) for each in path.iterdir()):
                folders.append(path.name)
    return sorted(files), sorted(folders)


def _shorten(names: Sequence[str]) -> str:
    """The first of several names, in characters that a terminal shows."""
    shown = ", ".join(names[:_MAX_SHOWN]) + (", ..." if len(names) > _MAX_SHOWN else "")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in shown)


def _check_name(path: Path) -> Path:
    """Reject a file name that cannot be written into a table."""
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = path.name.encode("utf-8", "backslashreplace").decode("utf-8")
        raise DataError(f"{path.parent}: a file name must be valid UTF-8, got {shown}; rename the file") from error
    return path
