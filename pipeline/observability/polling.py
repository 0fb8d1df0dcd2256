"""What is dear to know, looked up in the background, and only by the driver that leads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Protocol

import structlog

from pipeline.dead_letters.table import DeadLetters
from pipeline.mysql.headroom import ids_left
from pipeline.observability.last_audit import last_audit
from pipeline.observability.metrics import Metrics
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


class LetterPoll:
    """How many dead letters there are, by reason, and how old the oldest is."""

    name = "dead letters"

    def __init__(self, metrics: Metrics, letters: DeadLetters) -> None:
        self._metrics, self._letters = metrics, letters

    def take(self) -> None:
        count_by_reason = self._letters.count_by_reason()
        self._metrics.letters.clear()
        for reason, number in count_by_reason.reasons.items():
            self._metrics.letters.labels(reason).set(number)
        self._metrics.oldest_letter = count_by_reason.oldest.timestamp() if count_by_reason.oldest else None

    def forget(self) -> None:
        self._metrics.letters.clear()
        self._metrics.oldest_letter = None


class DatabasePoll:
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


class AuditPoll:
    """What the last audit found, and when."""

    name = "the last audit"

    def __init__(self, metrics: Metrics, connect: Callable[[], Any]) -> None:
        self._metrics, self._connect = metrics, connect

    def take(self) -> None:
        with closing(self._connect()) as connection:
            self._metrics.audit = last_audit(connection)

    def forget(self) -> None:
        self._metrics.audit = None


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
