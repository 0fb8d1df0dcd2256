"""Trying again: exponential back-off with full jitter, until a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.runtime.errors import Transient

T = TypeVar("T")

BASE = 0.05
CAP = 5.0


def backoff(attempt: int, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 0): anything up to base × 2^attempt, at most `cap`.

    Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): those who failed together
    do not come back together.
    """
    return random.uniform(0, min(cap, base * 2.0 ** min(attempt, 32)))  # noqa: S311 - spreads load, keeps no secret


def retried(
    action: Callable[[], T],
    transient: Callable[[Exception], bool],
    seconds: float,
    *,
    what: str = "call",
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """What `action` returns, tried once and again after each `transient` error while `seconds` last.

    Raises `Transient` from the last error when the next try would begin after the deadline; an error that is not
    transient propagates as it is. `sleep` may be the `wait` of a stop event.
    """
    deadline = clock() + seconds
    attempt = 0
    while True:
        try:
            return action()
        except Exception as error:
            if not transient(error):
                raise
            pause = backoff(attempt)
            if clock() + pause > deadline:
                raise Transient(f"{what}: {type(error).__name__} for {seconds:g} s, {attempt + 1} attempts") from error
        sleep(pause)
        attempt += 1
