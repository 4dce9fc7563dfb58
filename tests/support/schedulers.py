"""A Dask scheduler as it is started by `dask scheduler`, on loopback."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.fresh import start_python


@contextmanager
def scheduling(folder: Path) -> Iterator[tuple[str, Any]]:
    """A scheduler with one worker, each a process of its own that runs in a folder: (address, process of the scheduler)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    host = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = (
        ["distributed.cli.dask_scheduler", *host, "--port", port],
        ["distributed.cli.dask_worker", address, *host, "--nthreads", 1, "--no-nanny"],
    )
    started = [start_python("-m", *command, cwd=folder).process for command in commands]
    try:
        yield address, started[0]
    finally:
        for process in started:
            process.kill()
            process.join()
