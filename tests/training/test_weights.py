"""The moving average of the weights, the weights of the best epoch, and the compiled network."""

import copy
import logging
import shutil

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training import weights as weights_module
from livecell_monai.training.weights import BestWeights, WeightAverage, compile_network


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5))


@torch.no_grad()
def move(trained, value):
    for parameter in trained.parameters():
        parameter.fill_(value)


def weights(average):
    return torch.cat([value.flatten() for value in average.network.parameters()])


def test_the_average_is_a_copy_in_evaluation_mode():
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
def test_agrees_with_a_plain_formula(decay):
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


def test_a_share_is_always_that_of_the_start():
    trained = network()
    move(trained, 10.0)
    alone, shared = WeightAverage(trained, 0.9), WeightAverage(trained, 0.9, 0.25)
    for value in (1.0, 2.0, 5.0):
        move(trained, value)
        alone.update()
        shared.update()
        torch.testing.assert_close(weights(shared), 0.25 * 10 + 0.75 * weights(alone))


def test_initial_weights_do_not_persist():
    trained = network()
    move(trained, 1e3)
    average = WeightAverage(trained, 0.999)
    move(trained, 1.0)
    for _ in range(100):
        average.update()
    # with the full decay from the start 90 % of the first weights were left
    assert float(weights(average).max()) < 1.1


def test_a_constant_network_stays_constant():
    trained = network()
    average = WeightAverage(trained)
    for _ in range(20):
        average.update()
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(average.network.state_dict()[name], value)


def test_decay_0_copies_the_network():
    trained = network()
    averages = WeightAverage(trained, 0.0), WeightAverage(trained, 0.5)
    for value in (0.1, 1e6, -3.3):
        move(trained, value)
        for average in averages:
            average.update()
        assert torch.equal(weights(averages[0]), torch.full_like(weights(averages[0]), value))
        assert not torch.equal(weights(averages[1]), weights(averages[0]))


def test_batch_norm_statistics_are_averaged():
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


def test_updates_after_each_iteration():
    trained = network()
    average = WeightAverage(trained, 0.9)
    trainer = Engine(lambda _, value: move(trained, value))
    average.attach(trainer)
    trainer.run([1.0, 2.0, 3.0, 4.0], max_epochs=2)
    assert average.steps == 8
    assert 1 < float(weights(average).mean()) < 4


def test_decay_0_gives_the_output_of_the_network():
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


def test_the_average_resumes():
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


def follow(scores):
    """A network whose weight is the number of the epoch, validated with these scores."""
    network = torch.nn.Linear(1, 1, bias=False)
    best = BestWeights(network, "iou")
    evaluator = Engine(lambda *_: None)
    best.attach(evaluator)
    for epoch, score in enumerate(scores, start=1):
        with torch.no_grad():
            network.weight.fill_(epoch)
        evaluator.state.metrics = {"iou": score}
        evaluator.run([0])
    return best


@pytest.mark.parametrize(("scores", "epoch"), [([0.1, 0.3, 0.2], 2), ([0.3, 0.3], 1), ([0.0], 1), ([0.1, 0.2], 2)])
def test_best_weights_are_those_of_the_first_best_epoch(scores, epoch):
    assert follow(scores).weights["weight"].item() == epoch


def test_best_weights_resume():
    best, again = follow([0.1, 0.3]), follow([])
    again.load_state_dict(best.state_dict())
    assert (again.score, again.weights["weight"].item()) == (0.3, 2)


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")


@pytest.fixture
def compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def is_compiled(network):
    return network._compiled_call_impl is not None


@pytest.mark.parametrize("setting", [True, False, "auto"])
def test_the_bundle_accepts_every_value(setting):
    opened = open_bundle(find_template(), ["inference", "train"], {"compile": setting}, workflow_type="train").settings
    assert opened["compile"] == setting


@pytest.mark.parametrize("setting", ["yes", 1, 0, None, "true", 1.0], ids=repr)
def test_any_other_value_is_rejected(setting):
    with pytest.raises(SettingError, match="setting compile must be true, false or auto, got ") as refusal:
        compile_network(UNet([4, 8]), Accelerator("cpu"), setting)
    assert repr(setting) in str(refusal.value)


@pytest.mark.parametrize(("setting", "expected"), [(True, True), (False, False), ("auto", False)])
def test_only_true_compiles(setting, expected, compiler):
    network, accelerator = UNet([4, 8]), Accelerator("cpu")
    assert compile_network(network, accelerator, setting) is expected
    assert is_compiled(network) is expected
    assert accelerator.compiled is expected
    assert ("compiled" in str(accelerator)) is expected


@pytest.mark.parametrize(("kind", "missing"), [("cpu", "the C++ compiler no-such-compiler"), ("cuda", "Triton")])
def test_without_a_compiler_one_warning_and_no_compilation(kind, missing, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(weights_module, "find_spec", lambda name: None)
    network, accelerator = UNet([4, 8]), Accelerator("cpu")
    accelerator.device = torch.device(kind)
    with caplog.at_level(logging.WARNING):
        assert compile_network(network, accelerator, True) is False
    (record,) = caplog.records
    assert f"{missing} is missing: training runs without torch.compile" in record.getMessage()
    assert not is_compiled(network)
    assert not accelerator.compiled


def test_weights_keep_their_names_and_the_average_is_not_compiled(compiler):
    network = UNet([4, 8])
    names = list(network.state_dict())
    average = WeightAverage(network)
    compile_network(network, Accelerator("cpu"), True)
    assert list(network.state_dict()) == names
    assert not is_compiled(average.network)
    average.update()


@needs_compiler
@pytest.mark.slow
def test_a_compiled_network_gives_the_same_logits():
    plain, compiled = UNet([4, 8]), UNet([4, 8])
    compiled.load_state_dict(plain.state_dict())
    assert compile_network(compiled, Accelerator("cpu-fp32"), True)
    image = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(compiled.eval()(image), plain.eval()(image), atol=1e-4, rtol=1e-4)
