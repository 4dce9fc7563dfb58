"""The learning rate over a training; `lr_step` is tested in tests/plan."""

from itertools import pairwise

import pytest
import torch
from ignite.engine import Engine, Events
from torch.optim.lr_scheduler import StepLR

from livecell_monai.errors import SettingError
from livecell_monai.training.budget import Budget
from livecell_monai.training.schedule import WARM_UP, build_lr_scheduler, decay_factor

DONE = [step / 2000 for step in range(2001)]


def optimizer(lr=0.01):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)


def rates(kind, epochs, length, **settings):
    """The learning rate of each iteration of a training, stepped as the trainer does."""
    one, limit = optimizer(), Budget(0, epochs)
    scheduler = build_lr_scheduler(kind, one, limit, **settings)
    seen = []

    def update(*_):
        seen.append(one.param_groups[0]["lr"])
        one.step()

    trainer = Engine(update)
    limit.attach(trainer)
    stepped = Events.ITERATION_COMPLETED if kind == "decay" else Events.EPOCH_COMPLETED
    trainer.add_event_handler(stepped, lambda: scheduler.step())
    trainer.run(range(length), max_epochs=epochs)
    return seen


class TestDecay:
    def test_rises_and_then_falls(self):
        factors = [decay_factor(done) for done in DONE]
        top = factors.index(max(factors))
        assert DONE[top] == pytest.approx(WARM_UP, abs=0.005)
        assert all(first < second for first, second in pairwise(factors[: top + 1]))
        assert all(first >= second for first, second in pairwise(factors[top:]))
        assert all(first > second for first, second in pairwise(factors[top:-10]))

    def test_begins_low_comes_near_1_and_ends_near_0_but_never_there(self):
        factors = [decay_factor(done) for done in DONE]
        assert 0 < factors[0] <= 0.05
        assert 0.9 < max(factors) <= 1
        assert factors[-1] == min(factors) == 1e-3

    def test_falls_nearly_in_a_straight_line(self):
        assert [decay_factor(done) for done in (0.25, 0.5, 0.75)] == pytest.approx([0.75, 0.5, 0.25], abs=0.05)

    @pytest.mark.parametrize(("epochs", "length"), [(1, 200), (4, 50)])
    def test_goes_as_the_budget_does(self, epochs, length):
        seen = rates("decay", epochs, length)
        assert seen == pytest.approx([0.01 * decay_factor(iteration / 200) for iteration in range(200)])
        assert seen.index(max(seen)) == 10

    def test_each_group_keeps_its_own_rate(self):
        groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.001)]
        one, limit = torch.optim.SGD(groups), Budget(0, 1)
        scheduler = build_lr_scheduler("decay", one, limit)
        limit.done = 0.5
        one.step()
        scheduler.step()
        assert scheduler.get_last_lr() == pytest.approx([0.1 * decay_factor(0.5), 0.001 * decay_factor(0.5)])


class TestStep:
    @pytest.mark.parametrize(("step", "gamma"), [(1, 0.2), (2, 0.5), (3, 0.1)])
    def test_is_torchs(self, step, gamma):
        one, other = optimizer(), optimizer()
        ours = build_lr_scheduler("step", one, Budget(0, 1), step, gamma)
        torchs = StepLR(other, step, gamma)
        assert type(ours) is StepLR
        for _ in range(8):
            assert ours.get_last_lr() == torchs.get_last_lr()
            for part in (one, other, ours, torchs):
                part.step()

    def test_falls_by_the_factor_after_every_so_many_epochs(self):
        assert rates("step", 5, 2, step=2, gamma=0.5)[::2] == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025])


@pytest.mark.parametrize("kind", ["cosine", "", None, "Decay"])
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(SettingError, match=r"^setting lr_schedule must be decay or step, got .+; correct it$") as refusal:
        build_lr_scheduler(kind, optimizer(), Budget(0, 1))
    assert repr(kind) in str(refusal.value)
