"""The broker that the tests of the analytics stand on does what production's does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.kafka import Broker, Secured, broker
from tests.topics import Sent, create, delete, produce, read


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("kafka"), secured=True) as running:
        yield running


@pytest.fixture
def secured(own: Broker) -> Secured:
    assert own.secured
    return own.secured


def test_the_session_s_broker_takes_records(kafka: str) -> None:
    topic = f"session-{os.getpid()}"
    create(kafka, {topic: 1})
    produce(kafka, topic, [b"one"])
    assert [record.value for record in read(kafka, topic)] == [b"one"]
    delete(kafka, [topic])


def test_records_are_read_back_as_they_were_put(own: Broker) -> None:
    create(own.bootstrap, {"back": 2})
    sent = [
        Sent(b"plain", b"k", 0, 1_534_849_271_061, [("reason", b"late"), ("field", b"")]),
        Sent(None, b"tombstone", 0),
        Sent(b"", None, 1),
    ]
    produce(own.bootstrap, "back", sent, compression_type="zstd")
    plain, tombstone, empty = read(own.bootstrap, "back")
    assert (plain.partition, plain.offset, plain.key, plain.value) == (0, 0, b"k", b"plain")
    assert (plain.timestamp, plain.headers) == (1_534_849_271_061, {"reason": b"late", "field": b""})
    assert (tombstone.key, tombstone.value) == (b"tombstone", None)
    assert (empty.partition, empty.key, empty.value) == (1, None, b"")


def test_a_topic_that_nobody_made_is_not_made_by_the_way(own: Broker) -> None:
    with pytest.raises(KafkaException, match=r"(?i)unknown topic|timed out"):
        produce(own.bootstrap, "nobody-s", [b"one"], message_timeout_ms=2000)


def test_aborted_records_are_there_and_a_reader_of_committed_ones_does_not_see_them(own: Broker) -> None:
    create(own.bootstrap, {"aborted": 1})
    producer = Producer({"bootstrap.servers": own.bootstrap, "transactional.id": "one"})
    producer.init_transactions(30)
    for value, end in ((b"kept", producer.commit_transaction), (b"gone", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce("aborted", value)
        producer.flush(30)
        end(30)
    assert [record.value for record in read(own.bootstrap, "aborted")] == [b"kept"]
    assert [record.value for record in read(own.bootstrap, "aborted", committed=False)] == [b"kept", b"gone"]


def test_what_was_acknowledged_outlives_a_kill_9(tmp_path: Path) -> None:
    with broker(tmp_path) as own:
        create(own.bootstrap, {"kept": 1})
        for number in range(3):
            produce(own.bootstrap, "kept", [b"%d" % number] * 100)
            own.kill9()
            own.start()
            assert len(read(own.bootstrap, "kept")) == (number + 1) * 100
        own.stop()
        own.start()
        assert len(read(own.bootstrap, "kept")) == 300


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_the_listener_with_tls_lets_in_who_knows_the_password(secured: Secured, mechanism: str) -> None:
    client = AdminClient(secured.client(mechanism))
    assert client.list_topics(timeout=20).brokers


def test_the_listener_with_tls_lets_in_nobody_else(secured: Secured, tmp_path: Path) -> None:
    for wrong in (
        {"sasl.password": "guessed"},
        {"security.protocol": "SSL"},
        {"ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt"},
    ):
        with pytest.raises(KafkaException):
            AdminClient({**secured.client(), **wrong, "log_level": 0}).list_topics(timeout=1.5)


def test_brokers_may_forbid_making_topics(tmp_path: Path) -> None:
    with broker(tmp_path, secured=True) as strict:
        assert strict.secured
        create(strict.bootstrap, {"allowed": 1})
        strict.forbid_making_topics()
        client = AdminClient(strict.secured.client())
        [made] = client.create_topics([NewTopic("forbidden", 1, 1)]).values()
        with pytest.raises(KafkaException, match=r"(?i)authoriz"):
            made.result()
        assert set(client.list_topics(timeout=10).topics) == {"allowed"}
