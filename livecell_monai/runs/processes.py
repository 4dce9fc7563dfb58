"""One function run by several processes of this machine at once, which end together, as they would under torchrun."""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from livecell_monai.errors import BundleError, DataError, LiveCellError, SettingError, find_user_error

GRACE_S = 5.0  # for processes that have lost another one, or were interrupted with this one, to end their runs by themselves
KINDS: dict[str, type[LiveCellError]] = {kind.__name__: kind for kind in (DataError, SettingError, BundleError)}


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_processes(count: int, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function in several new processes, in an environment that tells each its place as torchrun does.

    The cores are shared out among them, unless OMP_NUM_THREADS says how many threads each has. When one fails, the others
    are ended.

    Args:
        count: number of processes.
        function: of a module, so that the processes find it by its name.
        arguments: of each call; what can be pickled.

    Raises:
        LiveCellError: what the user can mend, as one of the processes has raised it.
        ProcessException: where one has failed otherwise; its text has the traceback.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, but not exported by name
    from torch.multiprocessing.spawn import ProcessException, start_processes

    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # that others are ended goes without saying
    store = TCPStore(
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )  # here, on a free port: none of them has to stay
    with tempfile.TemporaryDirectory() as folder:
        given = (count, store.port, folder, function, arguments)
        context = start_processes(_enter, given, count, join=False)  # type: ignore[no-untyped-call]
        try:
            while not context.join(grace_period=GRACE_S):
                pass
        except ProcessException as error:
            refusal = _read_refusal(Path(folder))
            if refusal is None:
                raise
            raise refusal from error
        except BaseException:
            _end(context.processes)
            raise


def _enter(rank: int, count: int, port: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import sys
    import warnings

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # as the command does
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, count_cores() // count))
    try:
        function(*arguments)
    except Exception as error:
        known = find_user_error(error)
        if known is None:
            raise
        kind = type(known).__name__
        (Path(folder) / str(rank)).write_text(f"{kind}\n{known}", encoding="utf-8")
        sys.exit(2)


def _read_refusal(folder: Path) -> LiveCellError | None:
    """What the first process to say so has refused; that others then lost it is no reason of its own."""
    for path in sorted(folder.iterdir()):
        kind, _, words = path.read_text(encoding="utf-8").partition("\n")
        return KINDS.get(kind, LiveCellError)(words)
    return None


def _end(processes: list[Any]) -> None:
    until = time.monotonic() + GRACE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join()
