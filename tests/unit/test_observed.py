"""A service that knows no shard, looked at: probes, status, metrics and a page from what all services share."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from pipeline.observability.components import alarms, framed, plot, section, table, tiles
from pipeline.observability.instruments import Instruments, counted
from pipeline.observability.liveness import LEAST_PROGRESS, LONGEST_BATCH, STOPPING, Liveness
from pipeline.observability.server import served
from pipeline.observability.status import Probe, ServiceStatus
from tests.processes import free_port

RUNNING = "running"


class Clicks(Liveness):
    """Counts clicks."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        super().__init__(1.0, RUNNING, lambda: self.time)
        make = Instruments("click-counts", self.waits, lambda: self.time)
        self.registry: CollectorRegistry = make.registry
        self.lag = make.gauge("lag_records", "Records that wait", "partition")

    def status(self) -> ServiceStatus:
        return ServiceStatus(self._state, self.now(), self.alive(), self.ready(), self.waiting())

    def page(self) -> bytes:
        status = self.status()
        content = [*alarms(status), tiles([("7", "clicks")]), plot([0, 3, 7], "clicks")]
        content.append(section("Partitions, now", table(("partition", "lag"), [("clicks-0", "<7>")], numbers=1)))
        return framed("click-counts", status, "good", self.now(), content)


@pytest.fixture
def clicks() -> Clicks:
    return Clicks()


@pytest.fixture
def serving(clicks: Clicks) -> Iterator[str]:
    with served(clicks, "127.0.0.1", free_port()) as port:
        yield f"http://127.0.0.1:{port}"


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_its_probes_are_answered(clicks: Clicks, serving: str) -> None:
    assert fetched(f"{serving}/healthz") == (200, "starting: 0 s, at most 300\n")
    assert fetched(f"{serving}/readyz") == (503, "starting\n")
    clicks.becomes(RUNNING)
    assert fetched(f"{serving}/readyz")[0] == 200
    clicks.time += LEAST_PROGRESS + 1
    clicks.waits.say("connection refused", "the brokers")
    code, why = fetched(f"{serving}/readyz")
    assert code == 503
    assert why.startswith("running, since the last progress: 31 s, at most 30; waiting for the brokers since 2023-")
    clicks.progressed()
    assert clicks.ready().ok


def test_its_status_its_metrics_and_its_page_bear_its_name(clicks: Clicks, serving: str) -> None:
    clicks.becomes(RUNNING)
    clicks.lag.labels("clicks-0").set(7)
    clicks.waits.say("<refused>", "the brokers")
    status = json.loads(fetched(f"{serving}/status")[1])
    assert status["state"] == RUNNING
    assert status["healthy"]["ok"] is True
    assert status["waiting"][0]["for"] == "the brokers"
    metrics = fetched(f"{serving}/metrics")[1]
    assert 'click_counts_lag_records{partition="clicks-0"} 7.0' in metrics
    assert 'click_counts_waiting_seconds{for="the brokers"} 0.0' in metrics
    assert "click_counts_start_time_seconds 1.7e+09" in metrics
    page = fetched(serving)[1]
    assert "<title>running: click-counts</title>" in page
    assert '<strong class="bad">waiting for the brokers since 2023-11-14 22:13:20 UTC</strong>: &lt;refused&gt;' in page
    assert '<td class="number">&lt;7&gt;</td>' in page
    assert "Clicks a minute over the last 3 minutes: 7 at most, 7 in this one" in page


def test_a_batch_in_flight_may_last_and_not_for_ever(clicks: Clicks) -> None:
    clicks.becomes(RUNNING)
    clicks.batch_begins()
    clicks.time += LONGEST_BATCH
    assert clicks.alive().ok
    clicks.time += 2
    assert not clicks.alive().ok
    clicks.batch_ends()
    assert clicks.alive().ok
    clicks.becomes(STOPPING)
    assert clicks.ready() == Probe(False, STOPPING)


def test_a_gauge_is_read_back_by_its_label(clicks: Clicks) -> None:
    clicks.lag.labels("a").set(2)
    clicks.lag.labels("b").set(3)
    assert counted(clicks.lag) == {"a": 2, "b": 3}
