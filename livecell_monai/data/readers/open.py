"""Any image file opened as a stack, by the ending of its name."""

from pathlib import Path

from livecell_monai.data.checks.limits import reading_errors
from livecell_monai.data.formats import list_formats
from livecell_monai.data.paths import check_image_path, find_zarr, is_frame_series, name_format
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.plane import PlaneStack


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
    if find_zarr(path) is None and is_frame_series(path):
        return FramesStack(path, open_stack, axes)
    kind = name_format(path)
    if kind is None:
        return PlaneStack(path, axes)
    with reading_errors(path, kind):  # a folder that may not be entered raises here
        check_image_path(path)
    opener = next(format_.opener() for format_ in list_formats() if format_.name == kind)
    stack: Stack = opener(path, axes)
    return stack
