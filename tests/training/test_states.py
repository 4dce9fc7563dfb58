"""Random states and metrics that are saved and restored: what follows is the same."""

import io
import random

import numpy as np
import pytest
import torch
from ignite.metrics import Average
from monai.handlers import IgniteMetricHandler
from monai.metrics import ConfusionMatrixMetric, MeanIoU
from monai.transforms import Compose, RandFlipd, RandRotated, RandZoomd

from livecell_monai.training.states import RandomStates, capture_metrics, find_random, restore_metrics
from tests.support.gpus import NEEDS_GPU


def build_transform():
    keys = {"keys": ["image"], "prob": 1.0}
    parts = [
        RandRotated(range_x=1.0, **keys),
        Compose([RandZoomd(**keys), RandFlipd(spatial_axis=0, keys=["image"], prob=0.5)]),
    ]
    return Compose(parts).set_random_state(seed=7)


def draw(transform):
    random.gauss(0, 1)  # leaves the second of a pair behind
    numbers = [random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.standard_normal())]
    image = transform({"image": torch.arange(64.0).reshape(1, 8, 8)})["image"]
    return [*numbers, *torch.rand(3).tolist(), *image.flatten().tolist()]


def test_random_numbers_repeat():
    transform = build_transform()
    states = RandomStates(transform)
    draw(transform)
    kept = states.state_dict()
    first = draw(transform)
    assert draw(transform) != first
    states.load_state_dict(kept)
    assert draw(transform) == first


def test_random_numbers_repeat_in_new_transforms():
    """As a checkpoint holds it, read without a pickle, and set in transforms that were made anew."""
    transform = build_transform()
    draw(transform)
    file = io.BytesIO()
    torch.save(RandomStates(transform).state_dict(), file)
    first = draw(transform)
    file.seek(0)
    again = build_transform()
    RandomStates(again).load_state_dict(torch.load(file, weights_only=True))
    assert draw(again) == first


def test_all_random_parts_are_found():
    """The dictionary transforms, what they are made of, and what holds them."""
    kinds = [type(one).__name__ for one in find_random(build_transform())]
    expected = ["Compose", "RandRotated", "RandRotate", "Compose", "RandZoomd", "RandZoom", "RandFlipd"]
    assert [kind for kind in kinds if kind in expected] == expected
    assert list(find_random(None)) == []


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


def test_metrics_continue_within_an_epoch():
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


def test_metrics_before_the_first_sample():
    first, second = build(), build()
    restore_metrics(second, capture_metrics(first), CPU)
    for metrics in (first, second):
        feed(metrics, 1)
    assert values(first) == values(second)


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=NEEDS_GPU)])
def test_metrics_are_restored_on_the_device(device):
    first, second = build(), build()
    feed(first, 1)
    restore_metrics(second, capture_metrics(first), torch.device(device))
    assert {rows.device.type for rows in capture_metrics(second)["accuracy"]} == {device}
