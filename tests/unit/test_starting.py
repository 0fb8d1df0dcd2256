"""Waiting for what the service needs, and the wish to stop."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pipeline.runtime import starting
from pipeline.runtime.errors import Fatal, Halted, Transient
from pipeline.runtime.starting import wait_for
from pipeline.runtime.stopping import StopSignal


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "PAUSE", 0.01)


class Probe:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


def test_what_answers_late_is_waited_for() -> None:
    probe = Probe(*[Transient("away")] * 5)
    assert wait_for("the database", probe, StopSignal())
    assert probe.calls == 6


def test_what_stays_away_ends_the_start_with_a_line_that_names_it() -> None:
    with pytest.raises(Fatal, match=r"^the database is not reachable, tried for 0.05 s: database error 2003$"):
        wait_for("the database", Probe(*[Transient("database error 2003")] * 1000), StopSignal(), seconds=0.05)


@pytest.mark.parametrize("error", [Fatal("there is no stream"), Halted("database error 1045")])
def test_what_does_not_heal_is_not_waited_for(error: Exception) -> None:
    probe = Probe(error)
    with pytest.raises(type(error)):
        wait_for("the stream", probe, StopSignal())
    assert probe.calls == 1


def test_a_stop_ends_the_waiting() -> None:
    stop, probe = StopSignal(), Probe(*[Transient("away")] * 10_000)
    threading.Timer(0.05, stop.set).start()
    assert not wait_for("the database", probe, stop)


def test_a_stop_stays_however_often_it_is_asked_for() -> None:
    stop = StopSignal()
    assert not stop.wait(0)
    stop.set()
    stop.set()
    assert [stop.wait(0) for _ in range(5)] == [True] * 5


def test_a_stop_wakes_the_one_who_waits() -> None:
    stop = StopSignal()
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert stop.wait(20)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_heard_while_the_main_thread_waits(number: signal.Signals) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    stop = StopSignal()
    try:
        stop.listen()
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        assert stop.wait(20)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
