"""Errors that the user can correct, each one line that says what to do.

LiveCellError
├── DataError      an image, a label, a folder or a datalist
│   └── TooLargeError   an image that does not fit into memory
├── SettingError   a setting of the bundle or an option of the command line
└── BundleError    a bundle folder: its files, its weights

A message states the thing, the rule, the value and what to do. The command line prints it and exits with code 2. A full disk
and out of memory count as user errors too, whichever library raises them; any other exception is a bug and keeps its
traceback.
"""

import errno
import re
from collections.abc import Iterator

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# for errors without errno: copies of folders, SQLite, Python without a temporary folder
_DISK_FULL_TEXT = re.compile("No space left on device|database or disk is full|No usable temporary directory")
# torch on CPU, CUDA and Apple GPUs, and the libraries below it
_OUT_OF_MEMORY_TEXT = re.compile("out of memory|can't alloc|not enough memory|bad.alloc|ALLOC_FAILED|memory object", re.I)
MAX_CHARACTERS = 480  #: of a message; a longer one is cut in the middle


class LiveCellError(Exception):
    """Base of every error that the user can correct: one line of printable characters, whatever a file put into it."""

    def __init__(self, message: str) -> None:
        super().__init__(_to_one_line(message))


class DataError(LiveCellError):
    """An image, a label, a folder or a datalist is invalid."""


class TooLargeError(DataError):
    """An image does not fit into memory, however small the windows."""


class SettingError(LiveCellError):
    """A setting or option is unknown, or its value is invalid."""


class BundleError(LiveCellError):
    """A bundle folder is incomplete or does not match its weights."""


def find_user_error(error: BaseException) -> LiveCellError | None:
    """The error that the user can correct: this exception, or one of its causes; None if it is a bug.

    MONAI wraps what a transform or a config expression raises, but keeps the cause.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LiveCellError):
        cause = cause.__cause__
    return cause or _find_shortage(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one behind it, reports that CPU or GPU memory is exhausted."""
    return _find_out_of_memory(error) is not None


def _find_out_of_memory(error: BaseException) -> BaseException | None:
    for one in _list_chain(error):
        is_system = isinstance(one, OSError) and one.errno == errno.ENOMEM
        is_library = isinstance(one, RuntimeError) and _OUT_OF_MEMORY_TEXT.search(str(one)) is not None
        if isinstance(one, MemoryError) or is_system or is_library:
            return one
    return None


def _find_shortage(error: BaseException) -> LiveCellError | None:
    """A full disk or out of memory behind an exception, as a user error."""
    for one in _list_chain(error):
        full = isinstance(one, OSError) and one.errno in _DISK_FULL
        if full or _DISK_FULL_TEXT.search(str(one)):
            name = (isinstance(one, OSError) and one.filename) or "a file"
            reason = (isinstance(one, OSError) and one.strerror) or _shorten(one)
            return DataError(f"{name}: cannot be written ({reason}); make room, then run the command again")
    if (short := _find_out_of_memory(error)) is not None:
        return SettingError(
            f"out of memory ({_shorten(short)}); close other programs, or lower the settings window_memory, window_batch or "
            "batch_size"
        )
    return None


def _list_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, its causes and contexts: an error during cleanup hides the full disk that came first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _shorten(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _to_one_line(message: str) -> str:
    """Escape control characters and limit the length."""
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in message)
    if len(shown) <= MAX_CHARACTERS:
        return shown
    half = (MAX_CHARACTERS - 5) // 2
    return f"{shown[:half]} ... {shown[-half:]}"
