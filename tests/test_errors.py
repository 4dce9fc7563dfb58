"""Finds the user error, however deep a library has wrapped it."""

import errno
import shutil
import sqlite3
from itertools import pairwise

import pytest

from livecell_monai.errors import (
    BundleError,
    DataError,
    LiveCellError,
    SettingError,
    find_user_error,
    is_of_one_file,
    is_out_of_memory,
)


def chain(*errors: BaseException) -> BaseException:
    """The first of the errors, each raised from the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize("kind", [LiveCellError, DataError, SettingError, BundleError])
@pytest.mark.parametrize("wrappers", [(), (RuntimeError("applying transform"),), (RuntimeError("a"), ValueError("b"))])
def test_is_found_through_every_chain(kind: type[LiveCellError], wrappers: tuple[BaseException, ...]) -> None:
    own = kind("label.tif: mend it")
    assert find_user_error(chain(*wrappers, own)) is own


def test_the_outermost_of_two_is_the_one() -> None:
    outer, inner = SettingError("tracking_uri: start it"), DataError("a.tif: mend it")
    assert find_user_error(chain(outer, OSError("refused"), inner)) is outer


def test_a_bug_is_none() -> None:
    assert find_user_error(chain(RuntimeError("a"), KeyError("b"))) is None


def test_an_error_that_only_happened_before_is_none() -> None:
    """A context is not a cause: a bug while handling a user error is still a bug."""
    fault = ZeroDivisionError("ours")
    fault.__context__ = DataError("a.tif: mend it")
    assert find_user_error(fault) is None


def test_subclasses_are_the_documented_ones() -> None:
    assert {kind.__name__ for kind in LiveCellError.__subclasses__()} == {"DataError", "SettingError", "BundleError"}


FULL = [
    (
        OSError(errno.ENOSPC, "No space left on device", "out/a.tif"),
        "out/a.tif: cannot be written (No space left on device)",
    ),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "a file: cannot be written (Disk quota exceeded)"),
    (OSError(errno.EFBIG, "File too large"), "a file: cannot be written (File too large)"),
    (sqlite3.OperationalError("database or disk is full"), "a file: cannot be written (database or disk is full)"),
    (shutil.Error([("a", "b", "[Errno 28] No space left on device")]), "No space left on device"),
    (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "No usable temporary directory found"),
]


@pytest.mark.parametrize(("full", "words"), FULL, ids=[type(error).__name__ + words[-20:] for error, words in FULL])
@pytest.mark.parametrize("where", ["itself", "cause", "context"])
def test_a_full_disk_is_a_user_error_of_any_library(full: Exception, words: str, where: str) -> None:
    error = (
        full if where == "itself" else RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")
    )
    if where == "cause":
        error.__cause__ = full
    elif where == "context":  # met while the library cleaned up
        error.__context__ = full
    found = find_user_error(error)
    assert isinstance(found, DataError)
    assert words in str(found)
    assert "make room" in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "No such file"), RuntimeError("a fault"), OSError("odd")], ids=repr)
def test_other_errors_of_files_and_libraries_are_bugs(error: Exception) -> None:
    assert find_user_error(error) is None
    assert not is_out_of_memory(error)


SHORTAGES = [
    MemoryError("Unable to allocate 8.00 GiB for an array"),
    MemoryError("std::bad_alloc"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.1 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("not enough memory: you tried to allocate 8589934592 bytes."),
    RuntimeError("could not create a memory object"),
    RuntimeError("Exception from node.cpp:823: [CPU] Convolution node with name 'Convolution_9' can't alloc"),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=str)
def test_exhausted_memory_is_one_line(error: Exception) -> None:
    wrapped = chain(RuntimeError("applying transform"), error)
    assert is_out_of_memory(wrapped)
    found = find_user_error(wrapped)
    assert isinstance(found, SettingError)
    assert "out of memory (" in str(found)
    assert "window_memory" in str(found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31m\x9b\n\x00b", r"a\x1b[31m\x9b\n\x00b"),
        ("a\u202eb\ud800", r"a\u202eb\ud800"),
        ("µm, ü and 日本", "µm, ü and 日本"),
        (DataError("a\nb"), r"a\nb"),
    ],
)
def test_a_message_is_one_line_that_a_terminal_shows_as_it_is(text: object, shown: str) -> None:
    assert str(DataError(str(text))) == shown


def test_a_message_is_not_a_page() -> None:
    message = str(SettingError(f"--set lr: {'9' * 10_000}; correct it"))
    assert len(message) <= 480
    assert message.startswith("--set lr: 999")
    assert message.endswith("9; correct it")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (IsADirectoryError(errno.EISDIR, "x", "a.tif"), True),
        (PermissionError(errno.EACCES, "x", "new", None, __file__), True),  # the file is there, and locked
        (PermissionError(errno.EACCES, "x", "missing"), False),  # the folder
        (PermissionError(errno.EPERM, "x"), False),
        (OSError(errno.ENOSPC, "x", "a.tif"), False),
        (ValueError("x"), False),
    ],
)
def test_what_concerns_one_file_alone(error: BaseException, expected: bool) -> None:
    assert is_of_one_file(error) == is_of_one_file(chain(RuntimeError("a"), error)) == expected
