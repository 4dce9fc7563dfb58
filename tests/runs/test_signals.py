"""Signals that are deferred, that end the process at once, and that are ignored."""

import os
import signal
import threading
import time

import pytest

from livecell_monai.runs import signals
from livecell_monai.runs.signals import Interruption


@pytest.fixture(autouse=True)
def handlers():
    """Handlers of a foreground process, which must be restored after the test; background jobs ignore Ctrl-C."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    assert [signal.getsignal(one) for one in before] == [signal.default_int_handler] * 2
    for one, handler in before.items():
        signal.signal(one, handler)


def send(kind=signal.SIGINT):
    os.kill(os.getpid(), kind)


def work(heard, *steps):
    """Steps one after the other, while interruptions are deferred."""
    with heard.deferred():
        for step in steps:
            step()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_current_work_is_finished(kind):
    heard, done = Interruption(), []
    with pytest.raises(KeyboardInterrupt):
        work(heard, lambda: send(kind), lambda: done.append(heard.requested))
    assert done == [True]


def test_a_second_signal_ends_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt):
        work(Interruption(), send, send, lambda: done.append("too far"))
    assert done == []


def test_work_that_takes_too_long_is_interrupted(monkeypatch):
    monkeypatch.setattr(signals, "GRACE_S", 0.05)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work(Interruption(), send, lambda: time.sleep(5))
    assert time.monotonic() - started < 2


def test_saving_has_no_deadline(monkeypatch):
    monkeypatch.setattr(signals, "GRACE_S", 0.05)
    heard, done = Interruption(), []
    with pytest.raises(KeyboardInterrupt):
        work(heard, send, heard.cancel_deadline, lambda: time.sleep(0.1), lambda: done.append("saved"))
    assert done == ["saved"]


def test_without_a_signal_nothing_happens():
    with Interruption().deferred():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler


def test_ignored_signals_stay_ignored():
    """As in a job that a shell has sent to the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    heard = Interruption()
    with heard.deferred():
        os.kill(os.getpid(), signal.SIGINT)
    assert not heard.requested
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_signals_are_unchanged_in_other_threads_and_if_disabled():
    seen = []

    def look():
        with Interruption().deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    other = threading.Thread(target=look)
    other.start()
    other.join()
    with Interruption().deferred(enabled=False):
        seen.append(signal.getsignal(signal.SIGINT))
    assert seen == [signal.default_int_handler] * 2
