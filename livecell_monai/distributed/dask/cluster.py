"""The workers: processes of this machine that listen on loopback only, or those of an existing scheduler."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from livecell_monai.errors import SettingError

LOOPBACK = "127.0.0.1"
TIMEOUT = 10.0  # seconds until a scheduler must answer
WORKERS_TIMEOUT = 60.0  # seconds until a scheduler must have workers
MEMORY = 0.9  # fraction of the machine's memory that all workers get together
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
COUNT_EVERY = 2.0  # seconds
ATTEMPTS = 3  # to connect


@dataclass
class Workers:
    """Connected workers."""

    client: Any  #: of `distributed`
    address: str  #: of the scheduler
    threads: int = 0  #: of torch in each worker; 0 for as many as Dask gives it
    _counted: tuple[float, int] = field(default=(0.0, 1), repr=False)

    def count(self) -> int:
        """Number of workers; 1 if there is none at the moment."""
        now = time.monotonic()
        if now - self._counted[0] > COUNT_EVERY:
            with suppress(OSError):  # the tasks report a scheduler that has stopped
                self._counted = now, max(1, len(self.client.nthreads()))
        return self._counted[1]

    def __str__(self) -> str:
        count = self.count()
        threads = f", {self.threads} {'thread' if self.threads == 1 else 'threads'} each" if self.threads else ""
        return f"{count} {'worker' if count == 1 else 'workers'}{threads}, dashboard {self.client.dashboard_link}"


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Check the options of the command line, see `connect`, and that Dask is installed; else a SettingError."""
    if workers is not None and scheduler is not None:
        raise SettingError("--workers and --scheduler must not be given together, a scheduler has workers; leave one out")
    if workers is not None and workers < 1:
        raise SettingError(f"--workers must be 1 or more, got {workers}; correct it")
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise SettingError(
            "--workers and --scheduler need Dask, which is not installed; pip install 'livecell-monai[dask]'"
        ) from error


def check_shared_folders(workers: Workers, paths: Sequence[str], output: str) -> None:
    """Check that every worker has the package, sees the paths and may write to the output folder; else a SettingError."""
    answers: dict[str, Any] = workers.client.run(_build_check(paths, output), on_error="return")
    for address, lacking in sorted(answers.items()):
        if isinstance(lacking, Exception):
            lacking = f"{type(lacking).__name__}: {lacking}"
        if lacking:
            raise SettingError(
                f"{address}: a worker must have livecell-monai and see the same folders, it lacks {lacking}; "
                "install it there, and share the folders under the same paths"
            )


@contextmanager
def connect(workers: int | None = None, scheduler: str | None = None) -> Iterator[Workers]:
    """Workers for one prediction: processes of this machine, or those of a scheduler; a SettingError if there are none."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio", "bokeh")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:  # the prediction reports a failure in one line
            logger.setLevel(logging.CRITICAL + 1)
        with _connect_elsewhere(scheduler) if scheduler else _start_here(workers or 1) as found:
            yield found
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _start_here(count: int) -> Iterator[Workers]:
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    threads = max(1, CPU_COUNT // count)
    # set before a process starts, or its libraries would use all cores; without Dask's own setting for glibc
    environment = dict.fromkeys(THREADS, threads)
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
        try:
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",
                memory_limit=int(MEMORY * MEMORY_LIMIT / count),
                silence_logs=logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            raise SettingError(
                f"--workers {count}: the processes must start, they did not ({_shorten(error)}); give fewer"
            ) from error
        with cluster, Client(cluster, set_as_default=False) as client:
            yield Workers(client, cluster.scheduler_address, threads)


@contextmanager
def _connect_elsewhere(address: str) -> Iterator[Workers]:
    try:
        client = _open_client(address)
    except Exception as error:  # of any type, depending on the address
        raise SettingError(
            f"--scheduler {address}: a scheduler must answer, got: {_shorten(error)}; start one, or correct the address"
        ) from error
    try:
        try:
            client.wait_for_workers(1, timeout=WORKERS_TIMEOUT)
        except TimeoutError as error:
            raise SettingError(
                f"--scheduler {address}: the scheduler must have workers, found none in {WORKERS_TIMEOUT:.0f} s; "
                f"start some: dask worker {address}"
            ) from error
        yield Workers(client, address)
    finally:
        with suppress(Exception):  # a scheduler that has stopped is reported already
            client.close(timeout=2)


def _open_client(address: str) -> Any:
    """A client of a scheduler. Dask asserts that the first answer is a single message, which a busy scheduler can break."""
    from distributed import Client

    for _ in range(ATTEMPTS - 1):
        with suppress(AssertionError):
            return Client(address, timeout=TIMEOUT, set_as_default=False)
    return Client(address, timeout=TIMEOUT, set_as_default=False)


def _build_check(paths: Sequence[str], output: str) -> Callable[[], str]:
    """The check of a worker; a local function, so that it is sent by value to a worker that may lack the package."""

    def check() -> str:
        import importlib.util
        import os

        if importlib.util.find_spec("livecell_monai") is None:
            return "livecell-monai"
        for path in paths:
            if not os.path.exists(path):
                return path
        return "" if os.access(output, os.W_OK | os.X_OK) else f"the right to write to {output}"

    return check


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
