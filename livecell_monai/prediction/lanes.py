"""Two windows at once, each on its half of the cores: reading and blending beside them delay one window, never both.

All cores at one window wait for the last of them in each layer: what else a core does meanwhile delays the others too.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

LANES = 2  # each takes the memory of a pass

Given = TypeVar("Given")
Read = TypeVar("Read")
Made = TypeVar("Made")


def count_lanes(device: torch.device) -> int:
    """How many windows go through the network at once: one on a GPU, or where there is one core."""
    return min(LANES, torch.get_num_threads()) if device.type == "cpu" else 1


@contextmanager
def shared_cores(lanes: int) -> Iterator[None]:
    """Have torch use a share of its threads in this thread, and in all that are started from now on.

    Args:
        lanes: how many share them.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // lanes))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_ahead(
    parts: Sequence[Given], read: Callable[[Given], Read], work: Callable[[Read], Made], lanes: int
) -> Iterator[tuple[Given, Made]]:
    """What `work` makes of each part, in their order; the next ones are read and worked on while the caller goes on.

    Args:
        parts: what is to be read.
        read: reads one part, in a thread of its own.
        work: called with what was read, in `lanes` threads.
        lanes: how many parts are worked on at once.
    """
    waiting = deque(parts)
    coming: deque[tuple[Given, Future[Made]]] = deque()
    with (
        shared_cores(lanes),
        ThreadPoolExecutor(max_workers=1) as ahead,
        ThreadPoolExecutor(max_workers=lanes) as working,
    ):
        try:
            while waiting or coming:
                while waiting and len(coming) <= lanes:  # one is read while the others are worked on
                    part = waiting.popleft()
                    read_part = ahead.submit(read, part)
                    coming.append((part, working.submit(lambda future: work(future.result()), read_part)))
                part, made = coming.popleft()
                yield part, made.result()
        finally:
            for _, left in coming:  # none, unless something failed
                left.cancel()
