"""Probes, waits and metrics by themselves: what they answer when nothing, or too little, happens."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from pipeline.dstream.monitoring.health import Health
from pipeline.dstream.monitoring.metrics import Metrics
from pipeline.leases.table import TableMissing
from pipeline.messages.batch import Batch
from pipeline.messages.records import START, Position, Reached, Report, ShardTimes
from pipeline.mysql.errors import AccessDenied
from pipeline.mysql.id_range import id_range
from pipeline.observability.liveness import LEAST_TURN, LONGEST_BATCH, LONGEST_START
from pipeline.observability.server import served
from pipeline.observability.status import Probe
from pipeline.runtime.errors import Fatal, Halted, LeaseLost, TaskDied, Transient, Trimmed, waiting_for
from tests.processes import free_port

TABLE = (
    "CREATE TABLE `t` (\n  `id` {column} NOT NULL AUTO_INCREMENT,\n  `n` int(11)\n) ENGINE=InnoDB{following} CHARSET=x"
)
MOVED = Batch({"a": Reached(Position(1), False, 0)}, {}, {"stock": {"1": 3}}, {}, 0)
AT_TIP = Batch({"a": Reached(START, True, 0)}, {}, {}, {}, 0)
EMPTY = Batch({"a": Reached(START, False, 9)}, {}, {}, {}, 0)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health("bank-stream", 60.0, clock=clock)


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_what_alarms_count_is_there_before_its_first_event() -> None:
    """Prometheus sees no increase in a series whose first sample is 1."""
    metrics = Health("bank-stream", 5.0).metrics
    metrics.batch.expect(["stock"])
    told = text(metrics)
    for fate in (Transient, TaskDied, Halted, LeaseLost, Trimmed, Fatal):
        assert f'bank_stream_failures_total{{fate="{fate.__name__}"}} 0.0' in told
    assert 'bank_stream_retries_total{cause="deadlock"} 0.0' in told
    assert 'bank_stream_id_conflicts_total{type="stock"} 0.0' in told


def test_a_failure_is_counted_by_its_fate_whatever_it_is_called_besides(health: Health) -> None:
    """Alarms know the fates alone."""
    for error in (TableMissing("gone"), AccessDenied("1045"), TaskDied("exit code 137"), Halted("1054")):
        health.metrics.batch.failed(error)
    told = text(health.metrics)
    assert 'bank_stream_failures_total{fate="Halted"} 3.0' in told
    assert 'bank_stream_failures_total{fate="TaskDied"} 1.0' in told
    assert 'fate="TableMissing"' not in told


def test_a_start_may_take_a_while_and_not_for_ever(health: Health, clock: Clock) -> None:
    assert (health.alive().ok, health.ready()) == (True, Probe(False, "starting"))
    clock.now += LONGEST_START
    assert health.alive().ok
    clock.now += 1
    assert not health.alive().ok


def test_a_standby_is_alive_while_it_looks_and_always_ready(health: Health, clock: Clock) -> None:
    health.stands_by()
    for _ in range(100):
        clock.now += 599
        health.turned()
    assert health.alive().ok
    clock.now += 601
    assert not health.alive().ok, "ten intervals without a look"
    assert health.ready().ok


def test_short_intervals_leave_time_for_calls_that_are_tried_again(clock: Clock) -> None:
    health = Health("bank-stream", 0.1, clock=clock)
    health.leads()
    clock.now += LEAST_TURN
    assert health.alive().ok


def test_a_batch_in_flight_is_alive_for_longer_than_a_pause_between_two(health: Health, clock: Clock) -> None:
    health.leads()
    health.batch_begins()
    clock.now += LONGEST_BATCH + 60  # while the stream is ahead, a tick begins batches for all of its interval
    assert health.alive().ok
    clock.now += 1
    assert not health.alive().ok
    health.batch_ends()
    assert health.alive().ok


def test_progress_is_what_moved_or_is_caught_up_and_nothing_else(health: Health, clock: Clock) -> None:
    health.leads()
    for batch, ready in ((MOVED, True), (EMPTY, False), (AT_TIP, True), (Batch({}, {}, {}, {}, 0), False)):
        clock.now += 601
        assert not health.ready().ok
        health.went_through(batch, {})
        assert health.ready().ok is ready


def test_one_wait_is_one_line_a_minute_whatever_its_reasons(health: Health, clock: Clock) -> None:
    complaints = health.waits
    with capture_logs() as lines:
        for reason in ("read-only", "gone", "gone", "no route"):
            complaints.say(reason, "the database")
            clock.now += 20
        complaints.say("throttled", "the stream")
        complaints.settle(["the stream"])
    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("waiting", "read-only"),
        ("waiting", "no route"),
        ("waiting", "throttled"),
        ("going on", "no route"),
    ]
    assert lines[0]["since"] == lines[1]["since"]
    assert lines[-1]["waited"] == 80
    assert list(complaints.current()) == ["the stream"]
    assert 'bank_stream_waiting_seconds{for="the stream"} 0.0' in text(health.metrics)


def test_an_error_keeps_what_it_said_first_that_it_waits_for() -> None:
    with pytest.raises(Transient) as raised, waiting_for("the stream"), waiting_for("the lease table"):
        raise Transient("away")
    assert raised.value.waits_for == "the lease table"
    assert Transient("another").waits_for == ""


def test_ages_grow_by_themselves_and_are_absent_where_not_known(health: Health, clock: Clock) -> None:
    metrics = health.metrics
    metrics.shards = lambda: {"a": ShardTimes(int(clock.now - 5) * 1000, None), "ended": ShardTimes(None, None)}
    assert 'lag_seconds{shard="a"} 5.0' in text(metrics)
    frozen = ShardTimes(int(clock.now) * 1000, int(clock.now - 7) * 1000)
    metrics.shards = lambda: {"a": frozen}
    clock.now += 100
    assert 'lag_seconds{shard="a"} 100.0' in text(metrics)
    assert 'checkpoint_age_seconds{shard="a"} 107.0' in text(metrics)
    assert 'shard="ended"' not in text(metrics)
    clock.now -= 1000
    assert 'lag_seconds{shard="a"} 0.0' in text(metrics), "a clock set back makes no negative age"


def test_what_a_failed_batch_had_to_do_is_counted_and_its_outcomes_are_not(health: Health) -> None:
    report = Report(failure="x", fate="Transient", outcomes={("stock", "1"): 3}, chunks={500: 2, 7: 1}, connections=3)
    report.causes = {"deadlock": 2, "lock_wait": 1, "other": 4}
    health.metrics.batch.tell_reports([report])
    health.metrics.batch.failed(Halted("x"))
    health.metrics.batch.failed(LeaseLost("x"))
    found = text(health.metrics)
    for line in (
        'retries_total{cause="deadlock"} 2.0',
        'retries_total{cause="lock_wait"} 1.0',
        'retries_total{cause="other"} 4.0',
        "chunk_messages_count 3.0",
        "chunk_messages_sum 1007.0",
        'connections{state="used"} 3.0',
        'failures_total{fate="Halted"} 1.0',
        'failures_total{fate="LeaseLost"} 1.0',
    ):
        assert f"bank_stream_{line}\n" in found
    assert "messages_total{" not in found
    health.went_through(MOVED, {"apply": 0.2})
    assert 'messages_total{outcome="1",type="stock"} 3.0' in text(health.metrics)
    assert 'stage_seconds_sum{stage="apply"} 0.2' in text(health.metrics)


@pytest.mark.parametrize(
    ("column", "following", "left"),
    [
        ("int(10) unsigned", "", 1.0),
        ("int unsigned", " AUTO_INCREMENT=4294967295", 1 / 4294967295),
        ("int", " AUTO_INCREMENT=1073741824", 0.5),
        ("bigint(20) unsigned", " AUTO_INCREMENT=4294967296", 1.0),
        ("tinyint(3) unsigned", " AUTO_INCREMENT=256", 0.0),
    ],
)
def test_the_share_of_ids_left_depends_on_the_column(column: str, following: str, left: float) -> None:
    found = id_range(TABLE.format(column=column, following=following))
    assert found is not None
    assert found.share_left == pytest.approx(left, abs=1e-9)


def test_a_table_without_auto_increment_has_no_share() -> None:
    assert id_range("CREATE TABLE `t` (\n  `id` int NOT NULL COMMENT 'no'\n) ENGINE=InnoDB") is None


def test_the_server_says_that_its_port_is_taken_and_the_service_goes_on(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as lines:
        port = taken.getsockname()[1]
        with served(health, "127.0.0.1", port) as serving:
            assert serving == 0
    assert [(line["log_level"], line["port"]) for line in lines] == [("error", port)]


def test_port_0_serves_nothing_and_a_port_is_free_again_after_its_service(health: Health) -> None:
    with served(health, "127.0.0.1", 0) as serving:
        assert serving == 0
    port = free_port()
    for _ in range(2):
        with served(health, "127.0.0.1", port), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.read().startswith(b"starting: 0 s")
