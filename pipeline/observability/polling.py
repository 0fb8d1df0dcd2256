"""What is dear to know, looked up in the background, and only by the driver that leads."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import structlog

from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import PipelineError

EVERY = 60.0
"""Seconds between two rounds."""
SHARE = 0.05
"""A round that takes long is made so rarely that it takes no more than this share of the time."""

log = structlog.get_logger()


class Poll(Protocol):
    """Looks something up and sets its gauges; `forget` makes them absent, so that nobody trusts an old value."""

    name: str

    def take(self) -> None: ...

    def forget(self) -> None: ...


class Poller:
    """Takes every poll, round after round, between `start` and `stop`. What cannot be looked up is said."""

    def __init__(self, *polls: Poll, every: float = EVERY) -> None:
        self._looks, self._every = [(poll, GoingOn(f"looking up {poll.name}")) for poll in polls], every
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin; nothing waits for it."""
        self._stop = threading.Event()
        threading.Thread(target=self._run, args=(self._stop,), name="poller", daemon=True).start()

    def stop(self) -> None:
        """Let it end after the poll in flight, which is not waited for; what was found is then forgotten."""
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            for poll, going_on in self._looks:
                _take(poll, going_on)
            stop.wait(max(self._every, (time.monotonic() - began) / SHARE))
        for poll, _ in self._looks:
            poll.forget()


def _take(poll: Poll, going_on: GoingOn) -> None:
    taken = False
    try:
        with going_on:
            poll.take()
            taken = True
    except PipelineError as error:
        log.warning("not looked up", what=poll.name, reason=str(error))
    if not taken:
        poll.forget()
