"""A driver with an hour behind it, on a port of its own: for the tests of the page, and for its picture in the README.

.venv/bin/python -m tests.sample_page docs/status.png
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from pipeline.dstream.monitoring.health import Health
from pipeline.dstream.monitoring.polled_metrics import Audited
from pipeline.messages.batch import Batch
from pipeline.messages.records import Position, Reached, ShardTimes
from pipeline.observability.server import served
from tests.browser import chromium
from tests.processes import free_port

HERE = "127.0.0.1"
NOON = 1_778_068_800.0
"""2026-05-06T12:00:00Z"""
SIZE = 880, 900


class Clock:
    """The time, as it is set."""

    now = NOON - 3600

    def __call__(self) -> float:
        return self.now


def busy() -> Health:
    """Leads since an hour ago, on three shards, with a lunch-time dip and some letters."""
    clock, random = Clock(), Random(7)
    health = Health("bank-stream", 5.0, clock=clock)
    health.leads()
    for minute in range(60):
        clock.now += 60
        messages = int(52_000 + 9_000 * random.random() - 30_000 * (28 < minute < 41))
        _went_through(health, minute + 1, messages)
    metrics = health.metrics
    shards = {f"shardId-{number:012d}": NOON - 1.1 - 2.3 * number for number in range(3)}
    metrics.shards = lambda: {one: ShardTimes(int(at * 1000), int(at * 1000) - 900) for one, at in shards.items()}
    metrics.retention = lambda: 72 * 3600
    for reason, number in {"no_account": 41, "missing_field": 12, "unknown_type": 3}.items():
        metrics.polled.letters.labels(reason).set(number)
    metrics.polled.oldest_letter = NOON - 5 * 3600
    metrics.polled.mails.labels("waiting").set(2)
    metrics.polled.mails.labels("parked").set(0)
    metrics.polled.audit = Audited(0, NOON - 3600)
    return health


def _went_through(health: Health, number: int, messages: int) -> None:
    shares = {
        "transaction": {"1": 0.36, "-1": 0.03, "letter:no_account": 0.00001},
        "card_transaction": {"1": 0.27, "-8": 0.004, "-4": 0.02},
        "loan_payment": {"1": 0.1},
        "stock": {"1": 0.2, "skipped": 0.01},
    }
    outcomes = {
        type_: {outcome: int(messages * share) for outcome, share in by_outcome.items()}
        for type_, by_outcome in shares.items()
    }
    batch = Batch({"shardId-000000000000": Reached(Position(number), True, 0)}, {}, outcomes, {}, number % 3 // 2)
    health.batch_begins()
    health.went_through(batch, {"run": 4.2})
    health.batch_ends()
    told = {"number": number, "records": batch.messages, "applied": batch.applied, "retries": batch.retries}
    health.tells({**told, "per_second": batch.messages // 5})


@contextmanager
def shown(health: Health) -> Iterator[str]:
    """The URL of its page."""
    port = free_port()
    with served(health, HERE, port):
        yield f"http://{HERE}:{port}/"


def main(path: Path) -> None:
    """Write the picture."""
    with shown(busy()) as url, chromium() as browser:
        browser.open(url, *SIZE)
        path.write_bytes(browser.picture())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
