"""What can go wrong by the user's hand, each in one line that says what to do.

LiveCellError
├── DataError      an image, a label, a folder or a datalist
│   └── TooLargeError   an image that does not fit into memory
├── SettingError   a setting of the bundle or an option of the command line
└── BundleError    a bundle folder: its files, its weights

A message names the thing, the rule, the value received and what to do, on one line. The command line prints it and exits
with code 2. A full disk and a full memory are the user's to mend too, whoever tells of them; every other exception is a
fault of ours and keeps its traceback.
"""

import errno
import re
from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: what is said of it in words alone: by copies of folders, by SQLite, by Python where no folder takes a temporary file
_FULL_WORDS = re.compile("No space left on device|database or disk is full|No usable temporary directory")
#: what torch says of it on processors, CUDA and Apple GPUs, and the libraries below
_MEMORY_WORDS = re.compile("out of memory|can't alloc|not enough memory|bad.alloc|ALLOC_FAILED|memory object", re.I)


MOST_CHARACTERS = 480  #: of a message; a longer one, such as of a setting a page long, is cut in its middle


class LiveCellError(Exception):
    """Base of every error that the user can mend: one line that a terminal shows as it is, whatever a file put into it."""

    def __init__(self, message: str) -> None:
        super().__init__(_one_line(message))


class DataError(LiveCellError):
    """An image, a label, a folder or a datalist is not as the rule asks."""


class TooLargeError(DataError):
    """An image does not fit into the memory that there is, however small the windows that the network looks at."""


class SettingError(LiveCellError):
    """A setting or option is unknown or has a value that cannot work."""


class BundleError(LiveCellError):
    """A bundle folder lacks something or does not fit its weights."""


def find_user_error(error: BaseException) -> LiveCellError | None:
    """The error that the user can mend behind another exception, or itself; None where there is none.

    MONAI wraps what a transform or an expression of a config raises, the cause stays attached.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LiveCellError):
        cause = cause.__cause__
    return cause or _tell_shortage(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one behind it, says that there is no memory left, of the processor or of a GPU."""
    return _find_out_of_memory(error) is not None


def _find_out_of_memory(error: BaseException) -> BaseException | None:
    for one in _list_chain(error):
        is_system = isinstance(one, OSError) and one.errno == errno.ENOMEM
        is_library = isinstance(one, RuntimeError) and _MEMORY_WORDS.search(str(one)) is not None
        if isinstance(one, MemoryError) or is_system or is_library:
            return one
    return None


def _tell_shortage(error: BaseException) -> LiveCellError | None:
    """A full disk or a full memory behind an exception, where no one has turned it into a line of its own."""
    for one in _list_chain(error):
        full = isinstance(one, OSError) and one.errno in _FULL
        if full or _FULL_WORDS.search(str(one)):
            name = (isinstance(one, OSError) and one.filename) or "a file"
            reason = (isinstance(one, OSError) and one.strerror) or _shorten(one)
            return DataError(f"{name}: cannot be written ({reason}); make room, then call again")
    if (short := _find_out_of_memory(error)) is not None:
        return SettingError(
            f"the work must fit into memory, it does not ({_shorten(short)}); close other programs, or do less at once "
            "(settings window_memory, window_batch, batch_size)"
        )
    return None


def _list_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those behind it: what a library meets while it cleans up after a full disk hides that."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _shorten(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _one_line(message: str) -> str:
    """The message without control characters and of a bounded length."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii") for character in message
    )
    if len(shown) <= MOST_CHARACTERS:
        return shown
    half = (MOST_CHARACTERS - 5) // 2
    return f"{shown[:half]} ... {shown[-half:]}"
