"""Out of memory: what is released, and what is tried next."""

import ctypes

import torch

LEAST = 64  # pixels: the edge that no window is made smaller than, of which little more than borders would be left


def halve_window(window: tuple[int, int], multiple: int) -> tuple[int, int] | None:
    """A window (Y, X) of half the area, its longer edge cut; None where it is as small as windows are made.

    Args:
        window: (Y, X) pixels.
        multiple: what its edges must be multiples of.
    """
    edge, least = max(window), -(-LEAST // multiple) * multiple
    half = max(least, edge // 2 // multiple * multiple)
    if half >= edge:
        return None
    return (half, window[1]) if window[0] == edge else (window[0], half)


def release_memory(device: torch.device) -> None:
    """Give back what was freed and is kept for the next tensors: it lies in pieces of the wrong size."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc alone
        trim(0)
