"""Random states and metrics of a training as tensors and plain values, for checkpoints."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from ignite.metrics import Metric
from monai.handlers import IgniteMetricHandler
from monai.transforms import Compose, Randomizable


class RandomStates:
    """The random states of Python, NumPy, torch, a CUDA GPU and the random parts of a transform; not that of the patches."""

    def __init__(self, transform: Any = None, device: torch.device | None = None) -> None:
        self.own = list({id(one.R): one.R for one in find_random(transform)}.values())
        self.device = device if device is not None and device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        version, words, gauss = random.getstate()
        return {
            "python": [version, torch.tensor(words), gauss],
            "numpy": _pack(np.random.get_state(legacy=True)),
            "torch": torch.get_rng_state(),
            "cuda": None if self.device is None else torch.cuda.get_rng_state(self.device),
            "transforms": [_pack(one.get_state(legacy=True)) for one in self.own],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
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
        yield from find_random(list(vars(part).values()))


def capture_metrics(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The state of each metric within an epoch."""
    states: dict[str, Any] = {}
    for name, metric in metrics.items():
        if isinstance(metric, IgniteMetricHandler):
            rows = metric.metric_fn.get_buffer()  # one row for each sample, in one tensor or several
            states[name] = rows if rows is None or isinstance(rows, list) else [rows]
        else:
            states[name] = dict(metric.state_dict())
    return states


def restore_metrics(metrics: Mapping[str, Metric], states: Mapping[str, Any], device: torch.device) -> None:
    """Restore the states of `capture_metrics` on the device of the following batches."""
    for name, metric in metrics.items():
        metric.reset()
        state = states[name]
        if not isinstance(metric, IgniteMetricHandler):
            metric.load_state_dict(state)
        elif state is not None:
            metric.metric_fn.extend(*(rows.to(device) for rows in state))


def _pack(state: Any) -> list[Any]:
    kind, words, position, has_gauss, gauss = state
    return [str(kind), torch.from_numpy(words.astype(np.int64)), int(position), int(has_gauss), float(gauss)]


def _unpack(packed: list[Any]) -> tuple[Any, ...]:
    kind, words, *others = packed
    return (kind, words.numpy().astype(np.uint32), *others)
