"""Tunes the allocator of the C library and Python's garbage collector."""

import atexit
import ctypes
import gc

YOUNG = 20_000  # objects between two collections, which Python makes every 700


def keep_freed_memory() -> None:
    """Make glibc reuse freed tensor memory, in one heap for all threads; other C libraries are left as they are.

    By default glibc returns blocks above 32 MB to the system, which clears each page again: a sixth of the time of a
    prediction. Heaps of threads stay, so call this before `import monai`, which starts a thread.
    """
    mmap_threshold, trim_threshold, arena_max = -3, -1, -8  # names of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(mmap_threshold, 2**30)
    mallopt(trim_threshold, 2**30)
    mallopt(arena_max, 1)


def collect_garbage_rarely() -> None:
    """Collect cyclic garbage after 20,000 new objects instead of 700, and not when Python ends.

    MONAI and MLflow make half a million objects when they are imported, none of them garbage. To look through these takes
    a fifth of the time of a short command.
    """
    gc.set_threshold(YOUNG)
    atexit.register(gc.freeze)
