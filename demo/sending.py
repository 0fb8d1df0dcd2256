"""Records on their way to the topics, beside whatever else goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from producers.kafka import Delivered, deliver
from producers.made import Made


class Sending:
    """`sent`: how many of `total` the broker has taken so far; none before `begin`."""

    def __init__(self, beside: Executor, send: Callable[[Callable[[int], None]], list[Delivered]], total: int) -> None:
        self.total, self.sent = total, 0
        self._beside, self._send = beside, send
        self._result: Future[list[Delivered]] | None = None

    def begin(self) -> None:
        """Begin, once."""
        if self._result is None:
            self._result = self._beside.submit(self._send, self._taken)

    @property
    def done(self) -> bool:
        """Whether all are there. Raises `DeliveryError`."""
        return self._result is not None and self._result.done() and len(self._result.result()) == self.total

    def result(self) -> list[Delivered]:
        """Where each lies; waits for the last. Raises `DeliveryError`."""
        self.begin()
        return self._result.result() if self._result else []

    def at(self, share: float) -> bool:
        """Whether so much of it is there."""
        return self.sent >= share * self.total

    def _taken(self, sent: int) -> None:
        self.sent = sent


@contextmanager
def sending(client: Mapping[str, Any], records: Sequence[Made], seconds: float) -> Iterator[Sending]:
    """Records to be sent, evenly over so many seconds, while the context lasts."""

    def send(taken: Callable[[int], None]) -> list[Delivered]:
        return deliver(client, records, rate=len(records) / seconds, on_progress=taken)

    with ThreadPoolExecutor(1) as beside:
        yield Sending(beside, send, len(records))
