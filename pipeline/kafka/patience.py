"""Calls of Kafka's client that do not come back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from pipeline.kafka.errors import BROKERS
from pipeline.runtime.errors import Transient


def within(seconds: float, call: Callable[[], object], what: str) -> None:
    """Call it, and raise what it raises; `Transient` where it has not come back after so long.

    librdkafka 2.16.0 keeps no time-out of its own where the brokers are away when offsets are sent to a transaction: it
    waits for ever, also once they are back. What hangs is left behind, with all that it holds.
    """
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        raised: BaseException | None = None
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again where it was called
            raised = error
        ended.put(raised)

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        raised = ended.get(timeout=seconds)
    except queue.Empty:
        error = Transient(f"{what}: no answer within {seconds:g} s")
        error.waits_for = BROKERS
        raise error from None
    if raised is not None:
        raise raised
