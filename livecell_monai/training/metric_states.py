"""Intermediate states of metrics, so that an epoch that was interrupted gets the same row."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.metrics import Metric
from monai.handlers import IgniteMetricHandler


def capture_metrics(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The state of each metric, as tensors and plain values."""
    return {name: _capture(metric) for name, metric in metrics.items()}


def restore_metrics(metrics: Mapping[str, Metric], states: Mapping[str, Any], device: torch.device) -> None:
    """Restore the states of `capture_metrics` on the device of the following batches."""
    for name, metric in metrics.items():
        metric.reset()
        state = states[name]
        if not isinstance(metric, IgniteMetricHandler):
            metric.load_state_dict(state)
        elif state is not None:
            metric.metric_fn.extend(*(rows.to(device) for rows in state))


def _capture(metric: Metric) -> Any:
    if not isinstance(metric, IgniteMetricHandler):
        return dict(metric.state_dict())
    rows = metric.metric_fn.get_buffer()  # MONAI's metrics keep one row for each sample, in one tensor or several
    return rows if rows is None or isinstance(rows, list) else [rows]
