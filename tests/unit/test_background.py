"""Work in the background outlives what nobody foresaw: it says so, counts it, and does its work the next time."""

from __future__ import annotations

import itertools
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import RemoteDisconnected
from typing import ClassVar

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from pipeline.aws import Aws
from pipeline.dstream.monitoring.health import Health
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.lease import Lease
from pipeline.leases.table import LeaseTable
from pipeline.observability.polling import Poller
from pipeline.observability.server import served
from pipeline.runtime.background import GoingOn, unforeseen
from pipeline.runtime.errors import Transient
from pipeline.runtime.pace import MINUTE, OnceAMinute
from tests.contract.leasing import eventually
from tests.processes import free_port


def counted(work: str) -> int:
    return unforeseen().get(work, 0)


def test_what_nobody_foresaw_ends_there_and_our_own_errors_and_a_stop_of_python_do_not() -> None:
    going_on = GoingOn("the work of this test")
    assert counted("the work of this test") == 0
    with capture_logs() as lines:
        for _ in range(3):
            with going_on:
                raise ZeroDivisionError("a text that may hold a value")
    for error in (Transient("away"), KeyboardInterrupt()):
        with pytest.raises(type(error)), going_on:
            raise error
    assert counted("the work of this test") == 3
    assert [(line["log_level"], line["what"]) for line in lines] == [("error", "the work of this test")], (
        "a line a minute"
    )


def test_what_lasts_is_said_at_once_and_then_once_a_minute() -> None:
    now = [0.0]
    pace = OnceAMinute(lambda: now[0])
    said = []
    for _ in range(5):
        said.append(pace.due())
        now[0] += MINUTE / 2
    assert said == [True, False, True, False, True]


def test_how_often_it_happened_is_a_metric_that_begins_at_0() -> None:
    with GoingOn("work with a count"):
        assert 'bank_stream_background_failures_total{work="work with a count"} 0.0' in told()
        raise KeyError
    assert 'bank_stream_background_failures_total{work="work with a count"} 1.0' in told()


def told() -> str:
    return generate_latest(Health("bank-stream", 5.0).registry).decode()


class FailsOnce:
    """A poll that nobody foresaw to fail."""

    name = "what fails once"

    def __init__(self) -> None:
        self.takes = itertools.count()
        self.taken = threading.Event()
        self.forgotten = 0

    def take(self) -> None:
        if next(self.takes) == 0:
            raise KeyError("reason")
        self.taken.set()

    def forget(self) -> None:
        self.forgotten += 1


def test_a_poll_that_fails_is_forgotten_the_others_and_the_next_round_go_on() -> None:
    before = counted("looking up what fails once")
    failing, other = FailsOnce(), FailsOnce()
    next(other.takes)
    poller = Poller(failing, other, every=0.01)
    poller.start()
    try:
        assert failing.taken.wait(20) and other.taken.wait(20)
        assert (failing.forgotten, other.forgotten) == (1, 0)
    finally:
        poller.stop()
    assert counted("looking up what fails once") == before + 1


class Rows(LeaseTable):
    """A table whose first renewal fails as nobody foresaw."""

    renewals: ClassVar[list[str]] = []

    def scan(self) -> list[Lease]:
        return [Lease("shard", owner="me")]

    def take(self, lease: Lease, owner: str) -> Lease:
        return lease

    def renew(self, lease: Lease, **moments: int | None) -> Lease:
        self.renewals.append(lease.shard)
        if len(self.renewals) == 1:
            raise KeyError("Attributes")
        return lease

    def release(self, lease: Lease) -> Lease:
        return lease


def test_leases_are_renewed_though_a_renewal_failed() -> None:
    before = counted("renewing leases")
    keeper = LeaseKeeper(Rows(Aws("us-east-1"), "leases"), "me", failover_seconds=0.2)
    assert keeper.acquire(threading.Event())
    try:
        eventually(lambda: counted("renewing leases") == before + 1)
        eventually(lambda: len(Rows.renewals) > 3)
    finally:
        keeper.release()


@pytest.mark.parametrize("path", ["/status", "/metrics", "/"])
def test_the_page_answers_the_next_time(path: str) -> None:
    health = Health("bank-stream", 60.0)
    before, port = counted("answering on METRICS_PORT"), free_port()
    failing: Callable[[], dict[str, str]] = {}.pop  # type: ignore[assignment]
    with served(health, "127.0.0.1", port):
        health.metrics.stopped = failing
        with pytest.raises((RemoteDisconnected, urllib.error.URLError)):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}")
        eventually(lambda: counted("answering on METRICS_PORT") == before + 1)
        health.metrics.stopped = dict
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            assert answer.status == 200
