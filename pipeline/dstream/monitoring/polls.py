"""What a stream's driver looks up in the background: letters, ids left, mails, the last audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from pipeline.dead_letters.table import DeadLetters
from pipeline.dstream.monitoring.last_audit import last_audit
from pipeline.dstream.monitoring.polled_metrics import PolledMetrics
from pipeline.mysql.headroom import ids_left


class LetterPoll:
    """How many dead letters there are, by reason, and how old the oldest is."""

    name = "dead letters"

    def __init__(self, metrics: PolledMetrics, letters: DeadLetters) -> None:
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
        metrics: PolledMetrics,
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

    def __init__(self, metrics: PolledMetrics, connect: Callable[[], Any]) -> None:
        self._metrics, self._connect = metrics, connect

    def take(self) -> None:
        with closing(self._connect()) as connection:
            self._metrics.audit = last_audit(connection)

    def forget(self) -> None:
        self._metrics.audit = None
