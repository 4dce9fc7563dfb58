"""The plane that an address names, read from a file that stays open: frames of a movie come one after the other."""

import atexit
import os
import threading

from livecell_monai.data.checks.limits import reading
from livecell_monai.data.paths import names_frames, require_there
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
    """Read one plane, or a part of it, of a stack. Any thread may call it; one reads at a time.

    Raises:
        DataError: as `open_stack` and `Stack.read`.
        SettingError: as `open_stack`.
    """
    with _LOCK:
        stack = _open_again(address)
        pixels: Pixels = stack.read(address.time, address.channel, address.z, region)
        return Plane(pixels, stack.pixel_size_um)


def close_last() -> None:
    """Let go of the file that was read last, such as before it is removed."""
    with _LOCK:
        _close()


def _open_again(address: PlaneAddress) -> Stack:
    """The stack of an address: the one that is open, or where it is another file, or was written anew, that one."""
    with reading(address.path, "an image"):
        is_folder = names_frames(address.path)
        if not is_folder:
            require_there(address.path)
        # a glob is no file: its folder tells of frames that come and go
        status = (address.path.parent if is_folder and not address.path.exists() else address.path).stat()
    # a process that was forked shares the place in the file with its parent: it opens its own
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
