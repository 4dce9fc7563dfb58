"""Metrics stopped in the middle of an epoch: the sum of both parts is that of the whole."""

import torch
from ignite.metrics import Average
from monai.handlers import IgniteMetricHandler
from monai.metrics import ConfusionMatrixMetric, MeanIoU

from livecell_monai.workflow.resuming.metric_states import capture_metrics, restore_metrics


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
    restore_metrics(second, kept)
    for seed in range(2, 4):
        feed(second, seed)
    assert values(second) == values(whole)
    assert values(first) != values(whole)


def test_before_the_first_sample():
    first, second = build(), build()
    restore_metrics(second, capture_metrics(first))
    for metrics in (first, second):
        feed(metrics, 1)
    assert values(first) == values(second)
