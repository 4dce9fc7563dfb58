"""The workers: processes of this machine that listen on loopback only, or those of a scheduler that runs elsewhere."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from livecell_monai.errors import SettingError

LOOPBACK = "127.0.0.1"
TIMEOUT = 10.0  # seconds until a scheduler that does not answer is given up
WORKERS_TIMEOUT = 60.0  # seconds until a scheduler that has no workers is
MEMORY = 0.9  # share of the machine's memory that the workers have between them
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_REFRESHED = 2.0  # seconds for which a number of workers is believed


@dataclass
class Workers:
    """Workers that can be given tasks.

    Attributes:
        client: of `distributed`.
        address: of the scheduler.
        threads: of torch in each worker; 0 for as many as Dask gives it.
    """

    client: Any
    address: str
    threads: int = 0
    _counted: tuple[float, int] = field(default=(0.0, 1), repr=False)

    def count(self) -> int:
        """How many tasks run at once; 1 where there is no worker at the moment."""
        now = time.monotonic()
        if now - self._counted[0] > _REFRESHED:
            with suppress(OSError):  # a scheduler that is gone shows by its tasks
                self._counted = now, max(1, len(self.client.nthreads()))
        return self._counted[1]

    def __str__(self) -> str:
        count = self.count()
        threads = f", {self.threads} {'thread' if self.threads == 1 else 'threads'} each" if self.threads else ""
        return f"{count} {'worker' if count == 1 else 'workers'}{threads}, dashboard {self.client.dashboard_link}"


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Refuse what cannot be, ahead of all work.

    Args:
        workers: number of processes on this machine.
        scheduler: address of one that runs.

    Raises:
        SettingError: both are given, there are no workers, or Dask is not installed.
    """
    if workers is not None and scheduler is not None:
        raise SettingError("--workers must be left out where --scheduler is given: its workers are there; give one of them")
    if workers is not None and workers < 1:
        raise SettingError(f"--workers must be 1 or more, got {workers}; correct it")
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise SettingError(
            "--workers and --scheduler must have Dask, which is not installed; pip install 'livecell-monai[dask]'"
        ) from error


@contextmanager
def connect(workers: int | None = None, scheduler: str | None = None) -> Iterator[Workers]:
    """Workers for the length of a prediction.

    Args:
        workers: number of processes on this machine, which end with it.
        scheduler: address of one that runs, whose workers go on; in place of the number.

    Raises:
        SettingError: there is no scheduler, or it has no workers.
    """
    with _quiet(), _connect_elsewhere(scheduler) if scheduler else _start_here(workers or 1) as found:
        yield found


@contextmanager
def _start_here(count: int) -> Iterator[Workers]:
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    threads = max(1, CPU_COUNT // count)
    # before a process starts, or its libraries would take all cores; without Dask's own value for glibc's trimming
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
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise SettingError(
                f"--workers {count}: the processes must start, they did not ({reason}); give fewer"
            ) from error
        with cluster, Client(cluster, set_as_default=False) as client:
            yield Workers(client, cluster.scheduler_address, threads)


@contextmanager
def _connect_elsewhere(address: str) -> Iterator[Workers]:
    from distributed import Client

    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except Exception as error:  # of any kind, by what the address looks like
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise SettingError(
            f"--scheduler {address}: a scheduler must answer there, got: {reason}; start one, or correct the address"
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
        with suppress(Exception):  # one that is gone has said so already
            client.close(timeout=2)


@contextmanager
def _quiet() -> Iterator[None]:
    """What happens to a worker is told in one line by whoever hands out the work, not by the logs of Dask."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio", "bokeh")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
