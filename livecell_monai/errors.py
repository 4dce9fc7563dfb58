"""Errors that the user can correct: one line each, with the thing, the rule, the value and the remedy.

The command line prints them and exits with code 2. A full disk and exhausted memory count as such errors too; any other
exception is a bug and keeps its traceback.
"""

import errno
import os
import re
from collections.abc import Iterator

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: a folder or a locked file is where a result belongs
_ONE_FILE = (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST)
_DENIED = (errno.EACCES, errno.EPERM)
# errors without errno: copies of folders, SQLite, Python without a temporary folder
_DISK_FULL_TEXT = re.compile("No space left on device|database or disk is full|No usable temporary directory")
# torch on CPU, CUDA and Apple GPUs, and the libraries below it
_OUT_OF_MEMORY_TEXT = re.compile("out of memory|can't alloc|not enough memory|bad.alloc|ALLOC_FAILED|memory object", re.I)
_URI = re.compile(r"(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s\"]*")
_HARMLESS = "charset|connect_timeout|driver|sslmode|timeout"  # parameters of databases
_PARAMETER = re.compile(rf"([?&#](?!(?:{_HARMLESS})=)[^=?&#]+=)[^&#]+?(?=[';:,.)]*(?:[&#]|$))", re.I)
MASK = "***"  #: in place of a secret
MAX_CHARACTERS = 480  #: of a message; a longer one is cut in the middle


class LiveCellError(Exception):
    """Base of every error that the user can correct: one line of printable characters, whatever a file put into it."""

    def __init__(self, message: str) -> None:
        message = mask_secrets(message)
        shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in message)
        if len(shown) > MAX_CHARACTERS:
            half = (MAX_CHARACTERS - 5) // 2
            shown = f"{shown[:half]} ... {shown[-half:]}"
        super().__init__(shown)


class DataError(LiveCellError):
    """An image, a label, a folder or a datalist is invalid."""


class MissingFrameError(DataError):
    """A frame is not there in a movie that may have gaps."""


class TooLargeError(DataError):
    """An image does not fit into memory, however small the windows."""


class SettingError(LiveCellError):
    """A setting or option is unknown, or its value is invalid."""


class BundleError(LiveCellError):
    """A bundle folder is incomplete or does not match its weights."""


def find_user_error(error: BaseException) -> LiveCellError | None:
    """The error that the user can correct: this exception or one of its causes; None if it is a bug."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LiveCellError):
        cause = cause.__cause__  # MONAI wraps what a transform or a config expression raises, but keeps the cause
    return cause or _find_shortage(error)


def mask_secrets(text: str) -> str:
    """A text with `***` in place of user and password of each URI, and of its parameters, which may hold a token."""
    return _URI.sub(_mask_uri, text)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one behind it, reports that CPU or GPU memory is exhausted."""
    return any(map(_reports_no_memory, _list_chain(error)))


def is_of_system(error: BaseException) -> bool:
    """Whether an exception, or one behind it, is of the operating system, such as a full disk, or of exhausted memory."""
    return is_out_of_memory(error) or any(isinstance(one, OSError) for one in _list_chain(error))


def is_of_one_file(error: BaseException) -> bool:
    """Whether an exception, or one behind it, comes from what is there under the name of one result; others go on."""
    for one in _list_chain(error):
        if isinstance(one, OSError) and one.errno in _DENIED:
            return os.path.lexists(one.filename2 or one.filename or "")
        if isinstance(one, OSError) and one.errno in _ONE_FILE:
            return True
    return False


def describe_error(error: BaseException) -> str:
    """The text of an exception on one line of at most 160 characters; its type if it has no text."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def _mask_uri(found: re.Match[str]) -> str:
    uri = found[0]
    if uri.startswith(("sqlite", "file:")):  # paths may have @ and #
        path, mark, parameters = uri.partition("?")
        return path + _PARAMETER.sub(rf"\1{MASK}", mark + parameters)
    scheme, mark, rest = uri.partition("://")
    user, at, host = rest.rpartition("@")  # a password may have any character
    return _PARAMETER.sub(rf"\1{MASK}", f"{scheme}{mark}{MASK if user else ''}{at}{host}")


def _reports_no_memory(error: BaseException) -> bool:
    is_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    is_library = isinstance(error, RuntimeError) and _OUT_OF_MEMORY_TEXT.search(str(error)) is not None
    return isinstance(error, MemoryError) or is_system or is_library


def _find_shortage(error: BaseException) -> LiveCellError | None:
    """A full disk or exhausted memory behind an exception, as a user error."""
    chain = list(_list_chain(error))
    for one in chain:
        if isinstance(one, OSError) and one.errno == errno.ENAMETOOLONG:
            return DataError(f"{one.filename}: the file system accepts only shorter names; choose a shorter one")
        if (isinstance(one, OSError) and one.errno in _DISK_FULL) or _DISK_FULL_TEXT.search(str(one)):
            name = (isinstance(one, OSError) and one.filename) or "a file"
            reason = (isinstance(one, OSError) and one.strerror) or describe_error(one)
            return DataError(f"{name}: cannot be written ({reason}); make room, then run the command again")
    short = next(filter(_reports_no_memory, chain), None)
    if short is None:
        return None
    return SettingError(
        f"out of memory ({describe_error(short)}); close other programs, or lower the settings window_memory, window_batch "
        "or batch_size"
    )


def _list_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, its causes and contexts: an error during cleanup hides the full disk that came first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
