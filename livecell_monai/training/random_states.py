"""Every random state of a training except that of the patches, as tensors and plain values."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Randomizable


class RandomStates:
    """The random states of Python, NumPy, torch, the GPU and random transforms.

    Args:
        transform: whose random parts have their own states; None for none.
        device: its state is included if it is a CUDA GPU.
    """

    def __init__(self, transform: Any = None, device: torch.device | None = None) -> None:
        self.own = list({id(one.R): one.R for one in find_random(transform)}.values())
        self.device = device if device is not None and device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        """All current states."""
        version, words, gauss = random.getstate()
        return {
            "python": [version, torch.tensor(words), gauss],
            "numpy": _pack(np.random.get_state(legacy=True)),
            "torch": torch.get_rng_state(),
            "cuda": None if self.device is None else torch.cuda.get_rng_state(self.device),
            "transforms": [_pack(one.get_state(legacy=True)) for one in self.own],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore all states."""
        version, words, gauss = state["python"]
        random.setstate((version, tuple(words.tolist()), gauss))
        np.random.set_state(_unpack(state["numpy"]))
        torch.set_rng_state(state["torch"])
        if self.device is not None and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.device)
        for one, packed in zip(self.own, state["transforms"], strict=True):
            one.set_state(_unpack(packed))


def find_random(part: Any) -> Iterator[Randomizable]:
    """The random parts of a transform at any depth, in order of construction."""
    if isinstance(part, list | tuple):
        for one in part:
            yield from find_random(one)
    elif isinstance(part, Randomizable | Compose):
        yield part
        for one in vars(part).values():
            yield from find_random(one)


def _pack(state: Any) -> list[Any]:
    kind, words, position, has_gauss, gauss = state
    return [str(kind), torch.from_numpy(words.astype(np.int64)), int(position), int(has_gauss), float(gauss)]


def _unpack(packed: list[Any]) -> tuple[Any, ...]:
    kind, words, *others = packed
    return (kind, words.numpy().astype(np.uint32), *others)
