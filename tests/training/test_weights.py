"""The moving average of the weights, and the weights of the best epoch."""

import copy

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from livecell_monai.network import UNet
from livecell_monai.training.weights import BestWeights, WeightAverage


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5))


@torch.no_grad()
def move(trained, value):
    for parameter in trained.parameters():
        parameter.fill_(value)


def weights(average):
    return torch.cat([value.flatten() for value in average.network.parameters()])


def test_is_a_copy_that_is_only_looked_at():
    trained = network().train()
    average = WeightAverage(trained)
    assert not average.network.training
    assert trained.training
    assert not any(value.requires_grad for value in average.network.parameters())
    assert all(value.requires_grad for value in trained.parameters())
    before = weights(average).clone()
    move(trained, 5.0)
    assert torch.equal(weights(average), before)
    average.update()
    assert not torch.equal(weights(average), before)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99])
def test_agrees_with_the_mean_written_out(decay):
    trained = network()
    move(trained, 1.0)
    average, mean = WeightAverage(trained, decay), 1.0
    for step in range(1, 1500):
        move(trained, float(step % 7))
        average.update()
        stays = min(decay, step / (10 + step))
        mean = stays * mean + (1 - stays) * (step % 7)
        if step in (1, 5, 50, 1499):
            torch.testing.assert_close(weights(average), torch.full_like(weights(average), mean), atol=1e-3, rtol=1e-4)


def test_the_random_start_is_soon_forgotten():
    trained = network()
    move(trained, 1e3)
    average = WeightAverage(trained, 0.999)
    move(trained, 1.0)
    for _ in range(100):
        average.update()
    # with the full decay from the start 90 % of the first weights were left
    assert float(weights(average).max()) < 1.1


def test_a_constant_network_stays_itself():
    trained = network()
    average = WeightAverage(trained)
    for _ in range(20):
        average.update()
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(average.network.state_dict()[name], value)


def test_a_decay_of_0_follows_the_network_bit_by_bit():
    trained = network()
    averages = WeightAverage(trained, 0.0), WeightAverage(trained, 0.5)
    for value in (0.1, 1e6, -3.3):
        move(trained, value)
        for average in averages:
            average.update()
        assert torch.equal(weights(averages[0]), torch.full_like(weights(averages[0]), value))
        assert not torch.equal(weights(averages[1]), weights(averages[0]))


def test_batch_norms_come_along():
    trained = network().train()
    average = WeightAverage(trained, 0.9)
    for _ in range(300):
        trained(5 + 2 * torch.randn(4, 1, 12, 12))
        average.update()
    mean, now = average.network[1], trained[1]
    assert int(mean.num_batches_tracked) == int(now.num_batches_tracked) == 300
    torch.testing.assert_close(mean.running_mean, now.running_mean, atol=0.2, rtol=0.1)
    torch.testing.assert_close(mean.running_var, now.running_var, atol=0.2, rtol=0.3)
    assert not torch.equal(mean.running_mean, now.running_mean)


def test_follows_a_trainer_iteration_by_iteration():
    trained = network()
    average = WeightAverage(trained, 0.9)
    trainer = Engine(lambda _, value: move(trained, value))
    average.attach(trainer)
    trainer.run([1.0, 2.0, 3.0, 4.0], max_epochs=2)
    assert average.steps == 8
    assert 1 < float(weights(average).mean()) < 4


def test_the_average_of_a_training_gives_what_the_network_does():
    """A U-Net in channels_last, whose weights are all tensors that the average must find."""
    torch.manual_seed(0)
    trained = UNet([4, 8]).to(memory_format=torch.channels_last).train()
    average = WeightAverage(trained, 0.0)
    optimizer = torch.optim.SGD(trained.parameters(), 0.1)
    image = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        before = average.network(image)
    for _ in range(3):
        optimizer.zero_grad()
        trained(image).square().mean().backward()
        optimizer.step()
        average.update()
    with torch.no_grad():
        assert not torch.allclose(average.network(image), before)
        assert torch.equal(average.network(image), trained.eval()(image))


def test_goes_on_with_as_many_steps():
    torch.manual_seed(0)
    first = WeightAverage(torch.nn.Linear(2, 2))
    for _ in range(3):
        with torch.no_grad():
            first.trained.weight += 1
        first.update()
    second = WeightAverage(copy.deepcopy(first.trained))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for one in (first, second):
        with torch.no_grad():
            one.trained.weight += 1
        one.update()
    assert torch.equal(first.network.weight, second.network.weight)
    assert second.steps == 4


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
