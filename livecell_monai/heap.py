"""How the C library keeps what tensors have freed."""

import ctypes


def keep_freed_memory() -> None:
    """Have glibc keep what tensors have freed for those that follow, in one heap for all threads.

    By itself it gives blocks above 32 MB back to the system, which hands them out again page by page, each one cleared: a
    sixth of the time of a prediction, and more the larger the image. Of two threads that work on windows each would keep its
    own, in heaps too small for them. Heaps that threads have got already stay: the sooner this is called, the better, best
    ahead of `import monai`, which starts a thread. Elsewhere than on glibc nothing is done.
    """
    mmap_threshold, trim_threshold, arena_max = -3, -1, -8  # names of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(mmap_threshold, 2**30)
    mallopt(trim_threshold, 2**30)
    mallopt(arena_max, 1)
