"""The weights of the best epoch."""

import pytest
import torch
from ignite.engine import Engine

from livecell_monai.training.best_weights import BestWeights


def follow(scores, **options):
    """A network whose weight is the number of the epoch, validated with these scores."""
    network = torch.nn.Linear(1, 1, bias=False)
    best = BestWeights(network, "iou", **options)
    evaluator = Engine(lambda *_: None)
    best.attach(evaluator)
    for epoch, score in enumerate(scores, start=1):
        with torch.no_grad():
            network.weight.fill_(epoch)
        evaluator.state.metrics = {"iou": score}
        evaluator.run([0])
    return best


@pytest.mark.parametrize(("scores", "epoch"), [([0.1, 0.3, 0.2], 2), ([0.3, 0.3], 1), ([0.0], 1), ([0.1, 0.2], 2)])
def test_are_those_of_the_first_of_the_best(scores, epoch):
    assert follow(scores).weights["weight"].item() == epoch


def test_none_are_kept_where_none_are_wanted():
    assert follow([0.1, 0.2], enabled=False).weights == {}


def test_go_on():
    best, again = follow([0.1, 0.3]), follow([])
    again.load_state_dict(best.state_dict())
    assert (again.score, again.weights["weight"].item()) == (0.3, 2)
