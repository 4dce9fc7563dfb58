"""Reads the plane of an address; the file stays open for the next frame."""

import atexit
import os
import threading

from livecell_monai.data.checks.limits import reading_errors
from livecell_monai.data.paths import check_image_path, is_frame_series
from livecell_monai.data.readers.address import PlaneAddress
from livecell_monai.data.readers.base import Stack
from livecell_monai.data.readers.open import open_stack
from livecell_monai.sample import Pixels, Plane, Region

_LOCK = threading.Lock()
_Key = tuple[str, str | None, int, int, int]


class _Last:
    """The stack that was read last."""

    key: _Key | None = None
    stack: Stack | None = None


def read_addressed(address: PlaneAddress, region: Region | None = None) -> Plane:
    """Read one plane of a stack, or a region of it. Thread-safe: one thread reads at a time.

    Raises:
        DataError: as `open_stack` and `Stack.read`.
        SettingError: as `open_stack`.
    """
    with _LOCK:
        stack = _open_again(address)
        pixels: Pixels = stack.read(address.time, address.channel, address.z, region)
        return Plane(pixels, stack.pixel_size_um)


def close_last() -> None:
    """Close the file that was read last, for example before it is removed."""
    with _LOCK:
        _close()


def _open_again(address: PlaneAddress) -> Stack:
    """The open stack, or a new one if the address names another file or the file has changed."""
    with reading_errors(address.path, "an image"):
        is_folder = is_frame_series(address.path)
        if not is_folder:
            check_image_path(address.path)
        # a glob is no file: its folder changes if frames are added or removed
        status = (address.path.parent if is_folder and not address.path.exists() else address.path).stat()
    # a forked process shares the file position with its parent: it opens its own
    key = (str(address.path.absolute()), address.axes, status.st_mtime_ns, status.st_size, os.getpid())
    if _Last.key != key or _Last.stack is None:
        _close()
        _Last.stack, _Last.key = open_stack(address.path, address.axes), key
    return _Last.stack


def _close() -> None:
    stack, _Last.stack, _Last.key = _Last.stack, None, None
    if stack is not None:
        stack.close()


atexit.register(close_last)
