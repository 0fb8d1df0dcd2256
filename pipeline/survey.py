"""What is dear to know, looked up in the background, and only by the driver that leads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Protocol

import structlog

from pipeline.dead_letters import DeadLetters
from pipeline.errors import PipelineError
from pipeline.headroom import ids_left
from pipeline.last_audit import last_audit
from pipeline.metrics import Metrics

EVERY = 60.0
"""Seconds between two rounds."""
SHARE = 0.05
"""A round that takes long is made so rarely that it takes no more than this share of the time."""

log = structlog.get_logger()


class Look(Protocol):
    """Looks something up and sets its gauges; `forget` makes them absent, so that nobody trusts an old value."""

    name: str

    def take(self) -> None: ...

    def forget(self) -> None: ...


class LetterLook:
    """How many dead letters there are, by reason, and how old the oldest is."""

    name = "dead letters"

    def __init__(self, metrics: Metrics, letters: DeadLetters) -> None:
        self._metrics, self._letters = metrics, letters

    def take(self) -> None:
        tally = self._letters.tally()
        self._metrics.letters.clear()
        for reason, number in tally.reasons.items():
            self._metrics.letters.labels(reason).set(number)
        self._metrics.oldest_letter = tally.oldest.timestamp() if tally.oldest else None

    def forget(self) -> None:
        self._metrics.letters.clear()
        self._metrics.oldest_letter = None


class DatabaseLook:
    """The ids left in `tables`, and what `outbox` counts: state → mails."""

    name = "ids left and mails"

    def __init__(
        self,
        metrics: Metrics,
        connect: Callable[[], Any],
        tables: tuple[str, ...],
        outbox: Callable[[Any], Mapping[str, int]],
    ) -> None:
        self._metrics, self._connect, self._tables, self._outbox = metrics, connect, tables, outbox

    def take(self) -> None:
        with closing(self._connect()) as connection:
            for table, share in ids_left(connection, self._tables).items():
                self._metrics.ids_left.labels(table).set(share)
            for state, number in self._outbox(connection).items():
                self._metrics.mails.labels(state).set(number)

    def forget(self) -> None:
        self._metrics.ids_left.clear()
        self._metrics.mails.clear()


class AuditLook:
    """What the last audit found, and when."""

    name = "the last audit"

    def __init__(self, metrics: Metrics, connect: Callable[[], Any]) -> None:
        self._metrics, self._connect = metrics, connect

    def take(self) -> None:
        with closing(self._connect()) as connection:
            self._metrics.audit = last_audit(connection)

    def forget(self) -> None:
        self._metrics.audit = None


class Survey:
    """Takes every look, round after round, between `start` and `stop`. What cannot be looked up is said."""

    def __init__(self, *looks: Look, every: float = EVERY) -> None:
        self._looks, self._every = looks, every
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin; nothing waits for it."""
        self._stop = threading.Event()
        threading.Thread(target=self._run, args=(self._stop,), name="survey", daemon=True).start()

    def stop(self) -> None:
        """Let it end after the look in flight, which is not waited for; what was found is then forgotten."""
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            for look in self._looks:
                _take(look)
            stop.wait(max(self._every, (time.monotonic() - began) / SHARE))
        for look in self._looks:
            look.forget()


def _take(look: Look) -> None:
    try:
        look.take()
    except PipelineError as error:
        look.forget()
        log.warning("not looked up", what=look.name, reason=str(error))
