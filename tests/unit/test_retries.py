"""Retries on a clock of their own: no test waits."""

from __future__ import annotations

import pytest

from pipeline.runtime.errors import Transient
from pipeline.runtime.retries import CAP, backoff, retried


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def is_os_error(error: Exception) -> bool:
    return isinstance(error, OSError)


def test_an_action_that_heals_gives_its_result() -> None:
    clock, failures = Clock(), [OSError(), OSError()]

    def action() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert retried(action, is_os_error, 30, sleep=clock.sleep, clock=clock.time) == "done"
    assert len(clock.pauses) == 2


def test_an_action_that_does_not_heal_is_transient_from_its_last_error_at_the_deadline() -> None:
    clock, last = Clock(), OSError()

    def action() -> None:
        raise last

    with pytest.raises(Transient, match="GetRecords: OSError for 30 s") as raised:
        retried(action, is_os_error, 30, what="GetRecords", sleep=clock.sleep, clock=clock.time)
    assert raised.value.__cause__ is last
    assert 30 - CAP < clock.now <= 30


def test_an_error_that_is_not_transient_propagates_at_once() -> None:
    clock = Clock()

    def action() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        retried(action, is_os_error, 30, sleep=clock.sleep, clock=clock.time)
    assert clock.pauses == []


def test_an_action_is_tried_once_even_without_time() -> None:
    assert retried(lambda: "done", is_os_error, 0) == "done"


def test_pauses_are_anything_up_to_a_bound_that_doubles_up_to_the_cap() -> None:
    for attempt, bound in [(0, 0.05), (1, 0.1), (4, 0.8), (7, CAP), (10_000, CAP)]:
        pauses = [backoff(attempt) for _ in range(200)]
        assert max(pauses) <= bound
        assert max(pauses) > bound / 2 > min(pauses)
