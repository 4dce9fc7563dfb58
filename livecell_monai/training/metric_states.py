"""What metrics have summed up in the middle of an epoch, so that its row comes out the same."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.metrics import Metric
from monai.handlers import IgniteMetricHandler


def capture_metrics(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """What each metric has summed up, as tensors and plain values."""
    return {name: _capture(metric) for name, metric in metrics.items()}


def restore_metrics(metrics: Mapping[str, Metric], states: Mapping[str, Any], device: torch.device) -> None:
    """Have the metrics go on from what `capture_metrics` gave, on the device that makes the rows that follow."""
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
    rows = metric.metric_fn.get_buffer()  # MONAI's metrics keep a row for each sample; one tensor, or several
    return rows if rows is None or isinstance(rows, list) else [rows]
