"""Two windows at once, each on its half of the cores: what reads and blends beside them holds up one, never both.

All cores at one window wait for the last of them in each of its layers: whatever else a core does meanwhile, the others
pay for too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

LANES = 2  # the memory of a pass is taken by each


def count_lanes(device: torch.device) -> int:
    """How many windows the network looks at at once: one on a GPU, or where there is one core."""
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
