"""Progress of a training, by its iterations or by a clock that the tests set, and the learning rate that follows it."""

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from torch.optim.lr_scheduler import StepLR

from livecell_monai.errors import SettingError
from livecell_monai.training import budget
from livecell_monai.training.budget import Budget, build_lr_scheduler, decay_factor

CALLED = 1000.0  # reading of the clock at the call


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is turned by `clock.now += seconds`."""
    turned = SimpleNamespace(now=CALLED)
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: turned.now))
    return turned


def budget_from(started, minutes):
    """Of a run that was called then."""
    limit = Budget(minutes, 4)
    limit.count_from(started)
    return limit


def train(limit, clock, batches=10, takes=0.1, validation=(0.0,), ahead=0.0, is_measured=False, look=lambda: None):
    """Run an engine whose iterations take so many seconds, after reading that took `ahead`; the budget's and its readings.

    Each epoch is followed by a validation that takes as long as the next of `validation`, the last one again and again,
    and `look` is called before.

    Returns:
        (done after each iteration, clock at the end of each epoch ahead of its validation, iterations of each epoch)
    """
    done, ends, lengths, left = [], [], [], list(validation)

    def spend(seconds):
        clock.now += seconds

    trainer = Engine(lambda *_: spend(takes))
    evaluator = Engine(lambda *_: spend(left.pop(0) if len(left) > 1 else left[0]))

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate():
        ends.append(clock.now)
        lengths.append(trainer.state.iteration - sum(lengths))
        look()
        evaluator.run([0])

    limit.attach(trainer, evaluator if is_measured else None)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: done.append(limit.done))
    spend(ahead)
    trainer.run(range(batches), max_epochs=limit.epochs, epoch_length=limit.epoch_length(batches))
    return done, ends, lengths


class TestByTheClock:
    @pytest.mark.parametrize(("minutes", "reserve"), [(5, 6.0), (1, 6.0), (0.25, 4.5), (0.05, 0.9)])
    def test_time_is_reserved_after_the_last_epoch(self, clock, minutes, reserve):
        assert Budget(minutes, 4).until_s == pytest.approx(CALLED + 60 * minutes - reserve)

    @pytest.mark.parametrize("epochs", [1, 4, 10])
    @pytest.mark.parametrize("ahead", [0.0, 20.0])
    def test_epochs_are_equal_parts_of_the_remaining_time(self, clock, epochs, ahead):
        limit = Budget(2, epochs)
        _, ends, _ = train(limit, clock, ahead=ahead)
        first, seconds = CALLED + ahead, 120 - 6 - ahead
        assert limit.seconds == pytest.approx(seconds - 0.1)  # counted from the end of the first iteration
        # each ends with the first iteration that is past its slice
        assert ends == pytest.approx([first + seconds * (epoch + 1) / epochs for epoch in range(epochs)], abs=0.11)

    @pytest.mark.parametrize("takes", [0.01, 0.5, 3.0])
    @pytest.mark.parametrize("validation", [0.0, 2.0])
    def test_the_last_epoch_ends_in_time_at_any_speed(self, clock, takes, validation):
        limit = Budget(2, 5)
        _, ends, lengths = train(limit, clock, takes=takes, validation=[validation])
        assert len(ends) == 5
        assert limit.until_s - 1e-6 <= ends[-1] < limit.until_s + takes + 1e-6 < CALLED + 120
        assert sum(lengths) == pytest.approx((114 - 4 * validation) / takes, rel=0.1)

    def test_progress_starts_after_a_long_first_iteration(self, clock):
        """The first one reads the files, and compiles the network where that is asked for."""
        limit, takes = Budget(2, 4), iter([40.0])
        trainer = Engine(lambda *_: setattr(clock, "now", clock.now + next(takes, 0.1)))
        limit.attach(trainer)
        done = []
        trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: done.append(limit.done))
        trainer.run([0], max_epochs=4, epoch_length=limit.epoch_length(1))
        assert done[0] == 0
        assert done[1] == pytest.approx(0.1 / 74, abs=1e-4)
        assert clock.now == pytest.approx(CALLED + 114, abs=0.2)

    def test_validation_time_counts_as_epoch_time(self, clock):
        _, ends, lengths = train(Budget(2, 4), clock, validation=[10.0])
        _, _, lengths_without = train(budget_from(clock.now, 2), clock)
        assert [end - CALLED for end in ends] == pytest.approx([28.5, 57, 85.5, 114], abs=0.11)
        assert lengths[0] == pytest.approx(lengths_without[0], abs=1)
        assert sum(lengths) == pytest.approx(sum(lengths_without) - 300, abs=5)

    def test_slow_iterations_leave_out_epochs(self, clock):
        """The first one does not count, the next one is past the end."""
        done, _, lengths = train(Budget(1, 5), clock, takes=40.0)
        assert (lengths, done) == ([2], [0.0, 1.0])

    def test_done_rises_to_1(self, clock):
        done, _, _ = train(Budget(1, 3), clock, takes=0.25)
        assert done == sorted(done)
        assert done[0] == 0
        assert done[-1] == 1.0
        assert all(second - first == pytest.approx(0.25 / 53.75) for first, second in pairwise(done[:-1]))

    def test_the_time_counts_from_the_call(self, clock):
        clock.now += 30
        assert budget_from(CALLED, 2).until_s == CALLED + 114
        assert Budget(2, 4).until_s == CALLED + 144

    def test_one_iteration_after_slow_reading(self, clock):
        done, _, lengths = train(Budget(1, 3), clock, ahead=500.0)
        assert (lengths, done) == ([1], [1.0])

    def test_few_batches_are_repeated(self, clock):
        _, _, lengths = train(Budget(1, 2), clock, batches=3)
        assert lengths == pytest.approx([270, 270], abs=2)


class TestValidation:
    @pytest.mark.parametrize("validation", [[0.5], [8.0], [20.0], [3.0, 5.0, 9.0, 15.0, 28.0], [15.0, 11.0, 6.0, 3.0]])
    @pytest.mark.parametrize("epochs", [4, 7, 12])
    def test_the_last_epoch_is_known_before_its_validation(self, clock, validation, epochs):
        limit, known = Budget(2, epochs), []
        train(limit, clock, validation=validation, is_measured=True, look=lambda: known.append(limit.is_ending))
        assert (known[0], known[-1]) == (False, True)

    @pytest.mark.parametrize("validation", [0.0, 0.5, 3.0, 8.0])
    def test_two_validations_and_writing_fit_after_the_last_epoch(self, clock, validation):
        _, ends, _ = train(Budget(2, 5), clock, validation=[validation], is_measured=True)
        assert CALLED + 119 - 1e-6 < ends[-1] + 2 * validation + budget.FINISH_S < CALLED + 120 + 0.2

    def test_unmeasured_validation_exceeds_the_time(self, clock):
        _, ends, _ = train(Budget(2, 5), clock, validation=[8.0])
        assert ends[-1] + 2 * 8 + budget.FINISH_S > CALLED + 130

    def test_the_latest_duration_counts(self, clock):
        limit = Budget(2, 3)
        train(limit, clock, validation=[9.0, 2.0, 1.0], is_measured=True)
        assert limit.until_s == pytest.approx(CALLED + 120 - 6 - 2 * 1)

    def test_the_reserve_is_limited_and_no_epoch_follows_the_end(self, clock):
        limit = Budget(1, 3)
        _, ends, _ = train(limit, clock, validation=[100.0], is_measured=True)
        assert limit.until_s == pytest.approx(CALLED + 0.7 * 60)
        assert ends == pytest.approx([CALLED + 18], abs=0.11)

    @pytest.mark.parametrize("validation", [12.0, 15.0, 20.0])
    def test_slow_validation_leaves_out_epochs(self, clock, validation):
        """The last one trains until the end, and its validation is the only one after that."""
        limit = Budget(2, 10)
        done, ends, lengths = train(limit, clock, validation=[validation], is_measured=True)
        assert 1 < len(ends) < 10
        assert ends[-1] == pytest.approx(limit.until_s, abs=0.11)
        assert ends[-1] + 2 * validation + budget.FINISH_S < CALLED + 120 + 11
        assert sum(lengths) == pytest.approx((limit.until_s - CALLED - (len(ends) - 1) * validation) / 0.1, abs=3)
        assert done[-1] == 1.0

    @pytest.mark.parametrize("validation", [(1.0, 9.0, 9.0), (9.0, 1.0, 1.0)], ids=["slower", "faster"])
    def test_done_never_decreases(self, clock, validation):
        """The first validation reads the files, so the later ones are shorter."""
        done, _, _ = train(Budget(1, 6), clock, validation=validation, is_measured=True)
        assert done == sorted(done)
        assert done[-1] == 1.0


class TestByIterations:
    def test_epochs_have_the_length_of_the_loader(self, clock):
        limit = Budget(0, 3)
        done, _, lengths = train(limit, clock, batches=4, takes=1e6)
        assert lengths == [4, 4, 4]
        assert done == pytest.approx([iteration / 12 for iteration in range(1, 13)])
        assert limit.epoch_length(7) == 7

    def test_done_is_0_before_the_first_iteration(self):
        assert Budget(0, 3).done == Budget(1, 3).done == 0


@pytest.mark.parametrize("minutes", [-1, -1e-9, math.nan, math.inf, True, False, None, "5", [5]], ids=repr)
def test_invalid_minutes_are_rejected(minutes):
    with pytest.raises(SettingError, match=r"^setting minutes must be a number of at least 0, got ") as refusal:
        Budget(minutes, 3)
    assert repr(minutes) in str(refusal.value)


@pytest.mark.parametrize("minutes", [0, 0.0, 1e-3, 5, 600.0])
def test_valid_minutes_are_accepted(minutes):
    assert Budget(minutes, 3).minutes == minutes


def test_the_end_leaves_time_for_later_validations(clock):
    limit, evaluator = Budget(2, 4), Engine(lambda *_: setattr(clock, "now", clock.now + 3))
    limit.attach(Engine(lambda *_: None), evaluator)
    before = limit.until_s
    evaluator.run([0])
    assert limit.until_s == pytest.approx(before - 2 * 3)


class TestResume:
    def test_minutes_exclude_the_interruption(self, clock):
        first = Budget(5, 4)
        train_for(first, clock, 60.0)
        state = first.state_dict()
        clock.now += 1e6
        second = budget_from(clock.now, 5)
        clock.now += 8.0  # importing and reading again
        second.load_state_dict(state)
        assert second.done == first.done > 0.1
        assert second.until_s - clock.now == pytest.approx(first.until_s - (CALLED + 60.0) - 8.0)
        second._start()
        train_for(second, clock, 30.0)
        assert second.done == pytest.approx(first.done + 38.0 / first.seconds, abs=0.01)


def train_for(limit, clock, seconds):
    trainer = Engine(lambda *_: setattr(clock, "now", clock.now + 0.5))
    limit.attach(trainer)
    trainer.state.iteration = 7
    trainer.add_event_handler(Events.ITERATION_COMPLETED(every=int(seconds / 0.5)), lambda: trainer.terminate())
    trainer.run([0], max_epochs=4, epoch_length=10**6)


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
    @pytest.mark.parametrize("warm_up", [0.05, 0.2])
    def test_rises_and_then_falls(self, warm_up):
        factors = [decay_factor(done, warm_up) for done in DONE]
        top = factors.index(max(factors))
        assert DONE[top] == pytest.approx(warm_up, abs=0.005)
        assert all(first < second for first, second in pairwise(factors[: top + 1]))
        assert all(first >= second for first, second in pairwise(factors[top:]))
        assert all(first > second for first, second in pairwise(factors[top:-10]))

    def test_starts_low_reaches_1_and_ends_at_0_001(self):
        factors = [decay_factor(done) for done in DONE]
        assert 0 < factors[0] <= 0.05
        assert 0.9 < max(factors) <= 1
        assert factors[-1] == min(factors) == 1e-3

    def test_falls_nearly_linearly(self):
        assert [decay_factor(done) for done in (0.25, 0.5, 0.75)] == pytest.approx([0.75, 0.5, 0.25], abs=0.05)

    @pytest.mark.parametrize(("epochs", "length"), [(1, 200), (4, 50)])
    def test_follows_the_budget(self, epochs, length):
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
    def test_is_the_scheduler_of_torch(self, step, gamma):
        one, other = optimizer(), optimizer()
        ours = build_lr_scheduler("step", one, Budget(0, 1), step, gamma)
        torchs = StepLR(other, step, gamma)
        assert type(ours) is StepLR
        for _ in range(8):
            assert ours.get_last_lr() == torchs.get_last_lr()
            for part in (one, other, ours, torchs):
                part.step()

    def test_falls_by_gamma_every_step_epochs(self):
        assert rates("step", 5, 2, step=2, gamma=0.5)[::2] == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025])


@pytest.mark.parametrize("kind", ["cosine", "", None, "Decay"])
def test_an_unknown_kind_is_rejected(kind):
    with pytest.raises(SettingError, match=r"^setting lr_schedule must be decay or step, got .+; correct it$") as refusal:
        build_lr_scheduler(kind, optimizer(), Budget(0, 1))
    assert repr(kind) in str(refusal.value)


def test_a_training_without_minutes_announces_its_time(clock, caplog):
    train(Budget(0, 4), clock, batches=100, takes=1.5)
    assert [record.message for record in caplog.records] == [
        "note: this training takes about 10 min here, and its validations; --minutes N sets the time"
    ]


@pytest.mark.parametrize(("minutes", "batches", "takes"), [(0, 100, 0.1), (0, 2, 60.0), (1, 100, 1.5)])
def test_a_short_training_and_one_of_minutes_announce_nothing(clock, caplog, minutes, batches, takes):
    train(budget_from(CALLED, minutes), clock, batches=batches, takes=takes)
    assert caplog.records == []
