"""Runs a function in several processes of this machine, as torchrun does: if one fails, all end."""

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from livecell_monai import errors

GRACE_S = 5.0  # for processes to end their runs after another process failed or after an interruption


def count_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_processes(count: int, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a picklable function in new processes with torchrun's environment variables and equal numbers of cores.

    OMP_NUM_THREADS overrides the number of cores. Raises the user error of a process, a LiveCellError, or a
    ProcessException with the traceback of another error.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, but not exported by name
    from torch.multiprocessing.spawn import ProcessException, start_processes

    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it warns that it ends the others
    # in this process, on a free port: it outlives each of the others
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with tempfile.TemporaryDirectory() as folder:
        given = (count, store.port, folder, function, arguments)
        context = start_processes(_enter, given, count, join=False)  # type: ignore[no-untyped-call]
        try:
            while not context.join(grace_period=GRACE_S):
                pass
        except ProcessException as error:
            known = _read_user_error(Path(folder))
            if known is None:
                raise
            raise known from error
        except BaseException:
            _end(context.processes)
            raise


def _enter(rank: int, count: int, port: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # as the command line does
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()})
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, count_cores() // count))
    try:
        function(*arguments)
    except Exception as error:
        known = errors.find_user_error(error)
        if known is None:
            raise
        (Path(folder) / str(rank)).write_text(f"{type(known).__name__}\n{known}", encoding="utf-8")
        sys.exit(2)


def _read_user_error(folder: Path) -> errors.LiveCellError | None:
    """The user error of the lowest rank that wrote one; the others only lost their connection."""
    for path in sorted(folder.iterdir()):
        kind, _, message = path.read_text(encoding="utf-8").partition("\n")
        known: errors.LiveCellError = getattr(errors, kind, errors.LiveCellError)(message)
        return known
    return None


def _end(processes: list[Any]) -> None:
    until = time.monotonic() + GRACE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
