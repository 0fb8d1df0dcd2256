"""Calls of Kafka's client that do not come back."""

from __future__ import annotations

import threading

import pytest

from pipeline.kafka.patience import within
from pipeline.runtime.errors import Transient


def test_a_call_that_comes_back_is_as_it_was_called_here() -> None:
    called: list[int] = []
    within(5, lambda: called.append(1), "a call")
    assert called == [1]


def test_what_it_raises_is_raised_here() -> None:
    def failing() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        within(5, failing, "a call")


def test_one_that_hangs_is_left_behind_and_told() -> None:
    hangs = threading.Event()
    try:
        with pytest.raises(Transient, match=r"a call: no answer within 0\.1 s") as told:
            within(0.1, hangs.wait, "a call")
        assert told.value.waits_for == "the Kafka brokers"
    finally:
        hangs.set()
