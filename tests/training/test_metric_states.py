"""Metrics stopped in the middle of an epoch: the sum of both parts is that of the whole."""

import pytest
import torch
from ignite.metrics import Average
from monai.handlers import IgniteMetricHandler
from monai.metrics import ConfusionMatrixMetric, MeanIoU

from livecell_monai.training.metric_states import capture_metrics, restore_metrics
from tests.support.gpus import NEEDS_GPU

CPU = torch.device("cpu")


def build():
    return {
        "iou": IgniteMetricHandler(metric_fn=MeanIoU(ignore_empty=False), save_details=False),
        "accuracy": IgniteMetricHandler(metric_fn=ConfusionMatrixMetric(metric_name="accuracy"), save_details=False),
        "loss": Average(),
    }


def feed(metrics, seed):
    torch.manual_seed(seed)
    pair = [(torch.rand(3, 1, 8, 8) > 0.5).float() for _ in range(2)]
    metrics["iou"].update(pair)
    metrics["accuracy"].update(pair)
    metrics["loss"].update(float(torch.rand(1)))


def values(metrics):
    return {name: float(metric.compute()) for name, metric in metrics.items()}


def test_both_parts_make_the_whole():
    whole, first, second = build(), build(), build()
    for seed in range(4):
        feed(whole, seed)
    for seed in range(2):
        feed(first, seed)
    kept = capture_metrics(first)
    feed(second, 99)  # what it had summed up is not to count
    restore_metrics(second, kept, CPU)
    for seed in range(2, 4):
        feed(second, seed)
    assert values(second) == values(whole)
    assert values(first) != values(whole)


def test_before_the_first_sample():
    first, second = build(), build()
    restore_metrics(second, capture_metrics(first), CPU)
    for metrics in (first, second):
        feed(metrics, 1)
    assert values(first) == values(second)


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=NEEDS_GPU)])
def test_rows_lie_where_those_that_follow_are_made(device):
    first, second = build(), build()
    feed(first, 1)
    restore_metrics(second, capture_metrics(first), torch.device(device))
    assert {rows.device.type for rows in capture_metrics(second)["accuracy"]} == {device}
