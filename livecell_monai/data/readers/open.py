"""Opens image files as stacks, and reads the plane that an address names."""

import atexit
import os
import re
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

from livecell_monai.data.checks.limits import reading_errors
from livecell_monai.data.paths import check_image_path, find_stored_format, find_zarr, is_frame_series
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.single_plane import PlaneStack
from livecell_monai.sample import Plane, Region

_ADDRESS = re.compile(
    r"(?s)(?P<path>.+)::t=(?P<time>\d+),c=(?P<channel>\d+),z=(?P<z>\d+)(,axes=(?P<axes>[A-Z]+))?(?P<gaps>,gaps)?"
)
_LOCK = threading.Lock()
_Key = tuple[str, tuple[str | None, bool], int, int, int]
_last: tuple[_Key, Stack] | None = None  # the stack that was read last, still open


@dataclass(frozen=True)
class PlaneAddress:
    """One plane of a stack by its indices from 0; as a string, valid wherever an image's path is, `movie.tif::t=3,c=0,z=0`.

    `axes` are the names of the axes in the order of the file; None for its own. `allow_gaps`: the numbers of frames
    in a folder or glob may have gaps.
    """

    path: Path
    time: int = 0
    channel: int = 0
    z: int = 0
    axes: str | None = None
    allow_gaps: bool = False

    def __str__(self) -> str:
        axes = "" if self.axes is None else f",axes={self.axes}"
        return f"{self.path}::t={self.time},c={self.channel},z={self.z}{axes}{',gaps' if self.allow_gaps else ''}"


def parse_address(text: str | Path) -> PlaneAddress | None:
    """The plane of an address, None for the path of a file."""
    match = _ADDRESS.fullmatch(str(text))
    if match is None:
        return None
    time, channel, z = (int(match[name]) for name in ("time", "channel", "z"))
    return PlaneAddress(Path(match["path"]), time, channel, z, match["axes"], match["gaps"] is not None)


def find_file(image: str | Path) -> Path:
    """The file of an image that is given by its path, or by the address of a plane."""
    address = parse_address(image)
    return Path(image) if address is None else address.path


def open_stack(path: str | Path, axes: str | None = None, allow_gaps: bool = False, is_label: bool = False) -> Stack:
    """Open an image file; only its header is read, PNG, JPEG and NIfTI are read whole.

    Args:
        path: the file or, of OME-Zarr, the folder; or the folder or glob of a movie's numbered frames.
        axes: the user's names of its axes, letters of `TCZYX` in the file's order; None for the file's own.
        allow_gaps: the numbers of a movie's frames may have gaps.
        is_label: the file holds ids, which are read as `read_plane` reads those of a label.

    Raises a DataError for a missing or damaged file, an unknown format, colours or several images; a SettingError for axes
    that are unknown or do not match, and for a format whose extra is not installed.
    """
    path = Path(path)
    if find_zarr(path) is None and is_frame_series(path):
        return FramesStack(path, partial(open_stack, is_label=is_label), axes, allow_gaps)
    check_image_path(path)
    found = find_stored_format(path)
    if found is None:
        return PlaneStack(path, axes, is_label)
    opener = resolve_name(found.open) if isinstance(found.open, str) else found.open
    stack: Stack = opener(path, axes)
    stack.is_label = is_label
    return stack


def read_addressed(address: PlaneAddress, region: Region | None = None) -> Plane:
    """Read one plane of a stack, or a region of it; the file stays open for the next frame. One thread reads at a time.

    Errors are those of `open_stack` and `Stack.read`.
    """
    with _LOCK:
        stack = _open_again(address)
        return Plane(stack.read(address.time, address.channel, address.z, region), stack.pixel_size_um)


def describe_plane(address: PlaneAddress) -> str:
    """The plane as messages name it, see `Stack.name_plane`."""
    with _LOCK:
        return _open_again(address).name_plane(address.time, address.channel, address.z)


def close_last() -> None:
    """Close the file that was read last, for example before it is removed."""
    with _LOCK:
        _close()


def _open_again(address: PlaneAddress) -> Stack:
    """The open stack, or a new one if the address names another file or the file has changed."""
    global _last
    with reading_errors(address.path, "an image"):
        is_folder = is_frame_series(address.path)
        if not is_folder:
            check_image_path(address.path)
        # a glob is no file: its folder changes if frames are added or removed
        status = (address.path.parent if is_folder and not address.path.exists() else address.path).stat()
    # a forked process shares the file position with its parent: it opens its own
    key = (str(address.path.absolute()), (address.axes, address.allow_gaps), status.st_mtime_ns, status.st_size, os.getpid())
    if _last is None or _last[0] != key:
        _close()
        _last = key, open_stack(address.path, address.axes, address.allow_gaps)
    return _last[1]


def _close() -> None:
    global _last
    last, _last = _last, None
    if last is not None:
        last[1].close()


atexit.register(close_last)
