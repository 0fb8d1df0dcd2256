"""What an operator sees: every metric, the probes, and each outage as a line, a probe and a metric."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.dstream.monitoring.health import Health
from pipeline.mysql.headroom import ids_left
from pipeline.observability.liveness import LEAST_PROGRESS
from pipeline.observability.server import served
from pipeline.observability.status import Probe
from pipeline.runtime.background import GoingOn
from tests.contract.streams import FIRST_SHARD
from tests.faults.trial import Trial
from tests.integration.messages import loan_payment, payment, quote, transfer
from tests.integration.watched import INTERVAL, Watched, parsed, samples, until, watched
from tests.processes import free_port
from tests.schema import Schema

THROTTLED = "ProvisionedThroughputExceededException"
LATER = max(10 * INTERVAL, LEAST_PROGRESS) + 1


@pytest.fixture
def service(database: Schema, moto: str) -> Iterator[Watched]:
    with watched(database, moto) as service:
        yield service


@contextmanager
def leading(service: Watched) -> Iterator[list[Any]]:
    """A driver that has caught up with a first message; its log lines."""
    with capture_logs() as lines, service.running():
        service.put(quote())
        service.tick_until(lambda: service.value("messages_total", type="stock", outcome="1"))
        yield lines


def said(lines: list[Any], event: str) -> list[Any]:
    return [line for line in lines if line["event"] == event]


def assert_waits(service: Watched, lines: list[Any], what: str, reason: str) -> None:
    """One line, now and for a minute; alive; after a while not ready; a metric that grows."""
    service.tick_until(lambda: said(lines, "waiting"))
    service.tick()
    (line,) = said(lines, "waiting")
    assert (line["waits_for"], line["log_level"]) == (what, "warning")
    assert reason in line["reason"]
    assert line["since"].endswith("+00:00")
    waited = service.value("waiting_seconds", **{"for": what})
    assert waited is not None
    assert service.health.ready().ok, "for a moment"
    service.clock.ahead += LATER
    service.tick()
    assert service.health.alive().ok
    ready = service.health.ready()
    assert not ready.ok
    assert f"waiting for {what} since " in ready.why
    assert (service.value("waiting_seconds", **{"for": what}) or 0) > waited + LATER - 1
    assert (service.value("lag_seconds", shard=FIRST_SHARD) or 0) > LATER - 1
    service.clock.ahead += 60
    service.tick()
    assert len(said(lines, "waiting")) == 2, "again after a minute"


def assert_goes_on(service: Watched, lines: list[Any], what: str) -> None:
    service.tick_until(lambda: said(lines, "going on"))
    assert said(lines, "going on")[0]["waited_for"] == what
    assert service.value("waiting_seconds", **{"for": what}) is None
    assert service.health.ready().ok
    assert (service.value("lag_seconds", shard=FIRST_SHARD) or 0) < LATER


def test_every_metric_moves(service: Watched, database: Schema) -> None:
    names = {family.name for family in service.health.metrics.registry.collect()}
    before = service.samples()
    service.health.metrics.batch.connections.labels("allowed").set(1)
    bank = service.bank
    rich, owner, shop = bank.account("500.00"), bank.account("100.00"), bank.account("0.00")
    card = bank.card(owner, expires=date(9999, 12, 31))
    database.execute(
        "INSERT INTO fraud_alerts (accounts_id, transfer_value, memo, time_stamp, event_id, parked_at)"
        " VALUES (1, 1, '', NOW(), REPEAT('x', 16), NOW())"
    )
    database.execute(
        "INSERT INTO audits (began_at, ended_at, who, accepted, findings, counts)"
        " VALUES (UTC_TIMESTAMP(), UTC_TIMESTAMP() - INTERVAL 1 HOUR, 'Ada', 0, 7, '{}')"
    )
    with leading(service):
        service.put(transfer(rich, shop, 5, id="a"), transfer(rich, shop, 5, id="a"), transfer(rich, shop, 6, id="a"))
        service.put(transfer(rich, 4_000_000_000, 5), payment(card, shop, 99.0, location="FR", cvc2=None))
        with closing(database.connect()) as other, closing(other.cursor()) as cursor:
            cursor.execute("SELECT * FROM accounts WHERE id = %s FOR UPDATE", (rich,))
            cursor.fetchall()
            ticking = threading.Thread(target=service.tick)
            ticking.start()
            until(lambda: service.value("retries_total", cause="lock_wait") or not ticking.is_alive())
            other.rollback()
            ticking.join()
        service.aws.errors, service.aws.lasting = {"GetRecords": [THROTTLED]}, True
        service.tick_until(lambda: service.value("failures_total", fate="Transient"))
        waiting = service.samples()
        service.aws.behave()
        service.tick_until(lambda: service.value("messages_total", type="card_transaction", outcome="-8"))
        service.tick_until(lambda: service.value("checkpoint_age_seconds", shard=FIRST_SHARD) is not None)
        until(lambda: service.value("mails", state="waiting"))
        until(lambda: service.value("letters", reason="no_account") or service.value("oldest_letter_age_seconds"))
        until(lambda: service.value("audit_age_seconds"))
        with GoingOn("some work"):
            raise KeyError
        service.driver._source.stop_shard(FIRST_SHARD, "records of it were trimmed")
        after = {**waiting, **service.samples()}
    unmoved = {
        name
        for name in names
        if not any(
            value != before.get(key, 0.0)
            for key, value in after.items()
            if key[0].startswith(name) and key[0].removeprefix(name) in ("", "_total", "_count")
        )
        and name != "bank_stream_start_time_seconds"
    }
    assert not unmoved
    assert before["bank_stream_start_time_seconds", ()] > 1.6e9
    assert after["bank_stream_id_conflicts_total", (("type", "transaction"),)] == 1
    assert after["bank_stream_mails", (("state", "parked"),)] == 1
    assert after["bank_stream_audit_findings", ()] == 7
    assert 3600 <= after["bank_stream_audit_age_seconds", ()] < 7200
    assert after["bank_stream_retention_seconds", ()] == 24 * 3600
    assert service.value("leading") == 0, "after the end"
    until(lambda: service.value("mails", state="waiting") is None)  # known to the leader alone


def test_an_id_used_twice_is_told_from_a_message_that_came_twice(
    service: Watched,
) -> None:
    bank = service.bank
    rich, shop, loan = bank.account("500.00"), bank.account("0.00"), bank.loan()
    card = bank.card(rich, expires=date(9999, 12, 31))
    first = [
        transfer(rich, shop, 1.234567, id=1),
        payment(card, shop, 1.5, id=1),
        loan_payment(loan, rich, 1.5, id=1),
        quote(id=1, market_cap=None, price=3.25, high=1.0),
    ]
    changed = [{**message, "id": 1} for message in first]
    changed[0]["memo"], changed[1]["location"], changed[2]["amount"], changed[3]["price"] = "other", "CA", 1.51, 4
    with capture_logs() as lines, service.running():
        for batches, messages in enumerate((first, first, changed)):
            service.put(*messages)
            while len(said(lines, "batch")) <= batches:
                service.tick()
    conflicts = {key[1][0][1]: value for key, value in service.samples().items() if "id_conflicts_total" in key[0]}
    assert conflicts == {"transaction": 1, "card_transaction": 1, "loan_payment": 1, "stock": 1}
    told = said(lines, "id conflict")
    assert {line["type"] for line in told} == set(conflicts)
    assert all(line["event_id"] and line["shard"] == FIRST_SHARD and line["sequence"] for line in told)


def test_a_fail_over_of_the_database_is_one_wait(service: Watched) -> None:
    with leading(service) as lines:
        service.door.read_only(True)
        service.put(quote())
        service.tick_until(lambda: said(lines, "waiting"))
        assert "1290" in said(lines, "waiting")[0]["reason"]
        service.door.close()
        service.door.read_only(False)
        assert_waits(service, lines, "the database", "")
        assert "2003" in said(lines, "waiting")[-1]["reason"], "what it says by then"
        assert service.value("failures_total", fate="Transient")
        service.door.open()
        assert_goes_on(service, lines, "the database")
    assert len(service.bank.rows("stocks")) == 2


@pytest.mark.parametrize("error", [THROTTLED, ""])
def test_a_stream_that_throttles_or_is_away_is_waited_for(service: Watched, error: str) -> None:
    with leading(service) as lines:
        service.put(quote())
        service.aws.errors, service.aws.lasting = {"GetRecords": [error], "GetShardIterator": [error]}, True
        assert_waits(service, lines, "the stream", "GetRecords")
        service.aws.behave()
        assert_goes_on(service, lines, "the stream")
    assert len(service.bank.rows("stocks")) == 2


@pytest.mark.parametrize("error", [THROTTLED, ""])
def test_dynamodb_that_throttles_or_is_away_is_waited_for(service: Watched, error: str) -> None:
    with leading(service) as lines:
        service.put(quote(price=None), quote())
        service.aws.errors, service.aws.lasting = {"BatchWriteItem": [error], "BatchGetItem": [error]}, True
        assert_waits(service, lines, "the dead-letter table", "dead letters")
        service.aws.behave()
        assert_goes_on(service, lines, "the dead-letter table")
    assert len(service.bank.letters()) == 1
    assert len(service.bank.rows("stocks")) == 2


def test_a_lease_table_that_is_away_is_waited_for(service: Watched) -> None:
    with leading(service) as lines:
        service.put(quote())
        service.aws.errors, service.aws.lasting = {"UpdateItem": [""], "GetItem": [""]}, True
        service.tick_until(lambda: service.value("waiting_seconds", **{"for": "the lease table"}) is not None)
        assert service.value("leading") == 1
        service.aws.behave()
        assert_goes_on(service, lines, "the lease table")
    assert len(service.bank.rows("stocks")) == 2


def test_a_standby_is_healthy_ready_and_says_so(service: Watched) -> None:
    standby = Health("bank-stream", INTERVAL)
    with leading(service), service.running(service.another(standby)):
        until(lambda: standby.status().state == "standing by")
        assert (standby.alive().ok, standby.ready()) == (True, Probe(True, "standing by"))
        assert samples(standby)["bank_stream_leading", ()] == 0
        assert service.value("leading") == 1
        service.driver.stop()
        until(lambda: samples(standby)["bank_stream_leading", ()] == 1)


def test_the_port_tells_probes_metrics_and_status(service: Watched) -> None:
    port = free_port()
    with served(service.health, "127.0.0.1", port), leading(service):
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/readyz") == (200, service.health.ready().why + "\n")
        status, text = get(port, "/metrics")
        assert (status, "bank_stream_lag_seconds{shard=" in text) == (200, True)
        told = json.loads(get(port, "/status")[1])
        assert told["state"] == "leading"
        assert told["batches"][0]["records"] == 1
        assert set(told["shards"]) == {FIRST_SHARD}
        assert get(port, "/elsewhere")[0] == 404
        service.clock.ahead += 1000
        assert get(port, "/readyz")[0] == 503
        assert get(port, "/healthz")[0] == 503, "no tick for so long"
        with capture_logs() as lines, served(service.health, "127.0.0.1", port):
            assert [line["log_level"] for line in lines] == ["error"], "a taken port is said, and done without"


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_job_itself_serves_from_its_start_to_its_end(
    database: Schema, moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("METRICS_PORT", str(port))
    monkeypatch.setenv("METRICS_ADDRESS", "127.0.0.1")
    with Trial(database, moto, tmp_path, seed=7, slow=False) as trial:
        trial.send(200)
        job = trial.start()
        until(lambda: job.running and reached(port))
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/readyz") == (503, "starting\n")
        job.wait_for("batch")
        until(lambda: sum(batch["records"] for batch in job.batches) == 200)
        found = parsed(get(port, "/metrics")[1])
        counted = {key[1]: value for key, value in found.items() if key[0] == "bank_stream_messages_total"}
        told = {
            (("outcome", outcome), ("type", type_)): number
            for type_, outcomes in job.batches[-1]["outcomes"].items()
            for outcome, number in outcomes.items()
        }
        assert sum(counted.values()) == 200
        assert all(counted[key] >= number for key, number in told.items())
        assert found["bank_stream_connections", (("state", "allowed"),)] == 4
        assert 1 <= found["bank_stream_connections", (("state", "used"),)] <= 4
        until(lambda: "bank_stream_ids_left_ratio{" in get(port, "/metrics")[1])
        assert get(port, "/readyz")[0] == 200
        job.terminate()
        assert job.exit_code() == 0
        assert not reached(port)


def reached(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_ids_left_count_what_was_rolled_back(service: Watched, database: Schema) -> None:
    tables = ("stocks", "transactions")
    used, highest = 3_000_000_000, 2**32 - 1
    database.execute(f"ALTER TABLE stocks AUTO_INCREMENT = {used + 1}")
    with closing(service.door.database.connect()) as connection:
        assert ids_left(connection, tables) == {"stocks": 1 - used / highest, "transactions": 1.0}
        with closing(connection.cursor()) as cursor:
            cursor.execute(
                "INSERT INTO stocks (ticker, name, price, volume, high, low, timestamp, status)"
                " VALUES ('A', 'a', 1, 1, 1, 1, NOW(), 1)"
            )
        connection.rollback()
        assert ids_left(connection, tables)["stocks"] == 1 - (used + 1) / highest
