"""What libraries expect of a process: a user with a name, a writable home, open standard streams that take any text."""

import atexit
import getpass
import io
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from typing import Any

CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torchinductor", "NUMBA_CACHE_DIR": "numba"}


def complete_environment() -> None:
    """Set the variables that a process without an entry for its user, or without a home, lacks; others are kept."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # no entry, as in a container of another user
        os.environ["LOGNAME"] = f"user{os.getuid()}" if hasattr(os, "getuid") else "user"
        os.environ.setdefault("USER", os.environ["LOGNAME"])
    home = os.path.expanduser("~")
    if home != "~" and os.access(home, os.W_OK | os.X_OK):
        return
    with suppress(OSError):  # without any writable folder, the command itself reports it
        folder = tempfile.mkdtemp(prefix="livecell-")
        atexit.register(_remove, folder, os.getpid())
        if home == "~":  # a library would create a folder of this name
            os.environ["HOME"] = folder
        if not {"XDG_CONFIG_HOME", "XDG_CACHE_HOME"} & os.environ.keys():
            for name, part in CACHES.items():
                os.environ.setdefault(name, os.path.join(folder, part))


def complete_streams() -> None:
    r"""Make output to a closed or broken stream vanish, and write characters that an encoding lacks as `\xb5`."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would get the number
            os.open(os.devnull, os.O_RDWR)
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115
        elif number and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            raw, by_line = io.BufferedWriter(_Vanishing(number, "w", closefd=False)), number == 2 or stream.isatty()
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=by_line))


class _Vanishing(io.FileIO):
    """Writes to a reader that has gone are done without a trace; a full disk is raised once, and not for messages."""

    has_failed = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if not (isinstance(error, BrokenPipeError) or self.has_failed or self.fileno() == 2):
                self.has_failed = True
                raise
            return len(data)


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # not in a forked one
        shutil.rmtree(folder, ignore_errors=True)
