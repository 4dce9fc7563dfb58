"""What can go wrong by the user's hand, each in one line that says what to do.

LiveCellError
├── DataError      an image, a label, a folder or a datalist
├── SettingError   a setting of the bundle or an option of the command line
└── BundleError    a bundle folder: its files, its weights

A message names the thing, the rule, the value received and what to do, on one line. The command line prints it and exits
with code 2; every other exception is a fault of ours and keeps its traceback.
"""


class LiveCellError(Exception):
    """Base of every error that the user can mend."""


class DataError(LiveCellError):
    """An image, a label, a folder or a datalist is not as the rule asks."""


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
    return cause
