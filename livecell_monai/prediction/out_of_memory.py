"""Out of memory: what is let go of, what is asked for next, and which image is given up."""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine

from livecell_monai.data.checks.limits import MORE_MEMORY
from livecell_monai.data.readers import parse_address
from livecell_monai.errors import TooLargeError, is_out_of_memory
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.sample import IMAGE

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


class SkipOutOfMemory:
    """The iteration of an evaluator that predicts: an image that does not fit into memory does not stop the others.

    Args:
        dataset: where the images come from; those that are passed over are noted among its failures.
    """

    def __init__(self, dataset: ReadableDataset) -> None:
        self.dataset = dataset

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> Any:
        """What the evaluator makes of a batch of one image; nothing where it is passed over."""
        try:
            return engine._iteration(engine, batch)  # MONAI's own
        except Exception as error:
            if not is_out_of_memory(error) and not isinstance(error, TooLargeError):
                raise
            told = str(error) if isinstance(error, TooLargeError) else ""
        path = name_of(batch[IMAGE])
        self.dataset.pass_over(path, told or f"{path}: must fit into memory to be predicted, it does not; {MORE_MEMORY}")
        engine.state.batch, engine.state.output = [], []
        release_memory(torch.device("cpu"))
        return []


def name_of(image: Any) -> Path:
    """The file that an image (C, Y, X), or a batch of one, was read from; `.` where it does not tell."""
    found = getattr(image, "meta", {}).get("filename_or_obj", "")
    path = Path(found[0] if isinstance(found, list | tuple) else found)
    address = parse_address(path)
    return path if address is None else address.path
