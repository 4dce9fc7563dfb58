"""Any image file opened as a stack, by the ending of its name."""

from pathlib import Path

from livecell_monai.data.planes import reading
from livecell_monai.data.stacks.frames import FramesStack, names_frames
from livecell_monai.data.stacks.stack import Stack
from livecell_monai.errors import DataError

#: endings, in lower case, of the formats that have a library of their own, by the name of the format; .zarr is a folder
ENDINGS = {".nd2": "ND2", ".czi": "CZI", ".zarr": "OME-Zarr"}
TIFF = (".tif", ".tiff")


def name_format(path: Path) -> str | None:
    """`TIFF`, `ND2`, `CZI` or `OME-Zarr`, by the ending; None for formats of one plane and what is no image.

    A folder inside of an OME-Zarr folder may be an image too: a field of a plate, one image of a collection.
    """
    name = path.name.lower()
    if name.endswith(TIFF):
        return "TIFF"
    kind = next((kind for ending, kind in ENDINGS.items() if name.endswith(ending)), None)
    return "OME-Zarr" if kind is None and find_zarr(path) is not None and path.is_dir() else kind


def find_zarr(path: Path) -> Path | None:
    """The OME-Zarr folder that a path is or lies in, by the ending; the outermost."""
    return next((folder for folder in (*reversed(path.parents), path) if folder.name.lower().endswith(".zarr")), None)


def open_stack(path: str | Path, axes: str | None = None) -> Stack:
    """Open an image file, of which the header alone is read; PNG, JPEG and NIfTI are read whole.

    Args:
        path: the file or, of OME-Zarr, the folder; or the folder or glob of a movie's numbered frames.
        axes: what the user calls its axes, letters of `TCZYX` in the file's order; None to believe the file.

    Raises:
        DataError: no such file, not a known format, damaged, in colour, or several images.
        SettingError: axes that are unknown or do not fit, or a format whose extra is not installed.
    """
    path = Path(path)
    if find_zarr(path) is None and names_frames(path):
        return FramesStack(path, axes)
    kind = name_format(path)
    if kind is None:
        from livecell_monai.data.stacks.plane_stack import PlaneStack

        return PlaneStack(path, axes)
    with reading(path, kind):  # a folder that may not be entered raises here
        require_there(path)
    match kind:
        case "TIFF":
            from livecell_monai.data.stacks.tiff_stack import TiffStack

            return TiffStack(path, axes)
        case "ND2":
            from livecell_monai.data.stacks.nd2_stack import Nd2Stack

            return Nd2Stack(path, axes)
        case "CZI":
            from livecell_monai.data.stacks.czi_stack import CziStack

            return CziStack(path, axes)
        case _:
            from livecell_monai.data.stacks.zarr_stack import ZarrStack

            return ZarrStack(path, axes)


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
