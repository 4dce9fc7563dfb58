"""Parallel streams of windows, each with its share of the cores: reading and blending then delay one of them, never all.

With all cores on one window, every layer waits for the last core, so that other work on any core delays all of them.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

STREAMS = 2  # each takes the memory of a forward pass

Part = TypeVar("Part")
Read = TypeVar("Read")
Result = TypeVar("Result")


def count_streams(device: torch.device) -> int:
    """Number of streams: one on a GPU or a single core."""
    return min(STREAMS, torch.get_num_threads()) if device.type == "cpu" else 1


@contextmanager
def shared_cores(streams: int) -> Iterator[None]:
    """Limit torch to its share of the threads, in this thread and in all that are started meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // streams))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_streams(
    parts: Sequence[Part], read: Callable[[Part], Read], work: Callable[[Read], Result], streams: int
) -> Iterator[tuple[Part, Result]]:
    """Each part and the result of `work`, in order; one thread reads later parts, and `streams` threads work on them."""
    waiting = deque(parts)
    coming: deque[tuple[Part, Future[Result]]] = deque()
    with (
        shared_cores(streams),
        ThreadPoolExecutor(max_workers=1) as reader,
        ThreadPoolExecutor(max_workers=streams) as workers,
    ):
        try:
            while waiting or coming:
                while waiting and len(coming) <= streams:  # one is read while the others are processed
                    part = waiting.popleft()
                    read_part = reader.submit(read, part)
                    coming.append((part, workers.submit(lambda future: work(future.result()), read_part)))
                part, result = coming.popleft()
                yield part, result.result()
        finally:
            for _, left in coming:  # only after an error, or if the caller stops early
                left.cancel()
