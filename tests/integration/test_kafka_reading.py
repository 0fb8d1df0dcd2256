"""Ranges of a broker's partitions, read by one consumer: all of them, nothing else, in order."""

from __future__ import annotations

import ctypes
import itertools
import os
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import Producer

from pipeline.kafka.client import LOG_LEVEL
from pipeline.kafka.reading import EARLIEST, Range, Read, read
from pipeline.runtime.errors import TaskDied
from tests import topics

_numbers = itertools.count()


@pytest.fixture
def topic(kafka: str) -> str:
    name = f"ranges-{os.getpid()}-{next(_numbers)}"
    topics.create(kafka, {name: 3})
    return name


def client(kafka: str) -> dict[str, object]:
    return {"bootstrap.servers": kafka, "log_level": LOG_LEVEL}


def numbers(first: int, end: int, partition: int) -> list[topics.Sent]:
    return [topics.Sent(b"%d" % number, b"k", partition, 1_700_000_000_000 + number) for number in range(first, end)]


def found(kafka: str, ranges: dict[tuple[str, int], Range]) -> dict[int, list[bytes | None]]:
    records: dict[int, list[bytes | None]] = {}
    for record in read(client(kafka), ranges):
        records.setdefault(record.partition, []).append(record.value)
    return records


def test_ranges_begin_and_end_where_they_say(kafka: str, topic: str) -> None:
    for partition in range(3):
        topics.produce(kafka, topic, numbers(0, 3000, partition))
    wanted = {(topic, 0): Range(5, 7), (topic, 1): Range(EARLIEST, 2500), (topic, 2): Range(2999, 3000)}
    records = found(kafka, wanted)
    assert records[0] == [b"5", b"6"]
    assert records[1] == [b"%d" % number for number in range(2500)]
    assert records[2] == [b"2999"]
    assert found(kafka, {(topic, 0): Range(2998, 3000)}) == {0: [b"2998", b"2999"]}
    assert found(kafka, {}) == {}


def test_a_record_is_as_it_lies(kafka: str, topic: str) -> None:
    topics.produce(kafka, topic, [topics.Sent(None, None, 1, 1_700_000_000_123)])
    (record,) = read(client(kafka), {(topic, 1): Range(0, 1)})
    assert record == Read(None, None, topic, 1, 0, 1_700_000_000_123)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"v", b"k", partition=2, headers=[("file", b"x"), ("none", None)])
    producer.flush(30)
    (record,) = read(client(kafka), {(topic, 2): Range(0, 1)}, headers=True)
    assert record.headers == [("file", b"x"), ("none", None)]
    assert [one.headers for one in read(client(kafka), {(topic, 2): Range(0, 1)})] == [()]


def test_what_was_aborted_is_not_read_and_a_range_that_ends_with_it_ends(kafka: str, topic: str) -> None:
    topics.produce(kafka, topic, numbers(0, 2, 0))
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(3):
        producer.produce(topic, b"aborted %d" % number, partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    assert found(kafka, {(topic, 0): Range(0, 6)}) == {0: [b"0", b"1"]}
    assert found(kafka, {(topic, 0): Range(2, 6)}) == {}


def test_records_that_are_gone_are_not_passed_over(kafka: str, topic: str) -> None:
    topics.produce(kafka, topic, numbers(0, 3, 0))
    with pytest.raises(TaskDied, match="are gone that were to be read"):
        found(kafka, {(topic, 0): Range(7, 9)})


def test_a_header_whose_name_is_no_text_hides_the_headers_and_not_the_record(kafka: str, topic: str) -> None:
    with_header(kafka, topic, b"\xff\xfe")
    with_header(kafka, topic, b"file")
    found = list(read(client(kafka), {(topic, 0): Range(0, 2)}, headers=True))
    assert [(record.value, list(record.headers)) for record in found] == [(b"v", []), (b"v", [("file", b"x")])]


def with_header(kafka: str, topic: str, name: bytes) -> None:
    """A record with a header of any name: the client in Python takes text alone, so this asks the library below it."""
    (path,) = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*")
    library, none = ctypes.CDLL(str(path)), ctypes.c_char_p()
    for makes in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, makes).restype = ctypes.c_void_p
    conf, headers = (ctypes.c_void_p(made) for made in (library.rd_kafka_conf_new(), library.rd_kafka_headers_new(1)))
    library.rd_kafka_conf_set(conf, b"bootstrap.servers", kafka.encode(), none, 0)
    producer = ctypes.c_void_p(library.rd_kafka_new(0, conf, none, 0))
    library.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(len(name)), b"x", ctypes.c_ssize_t(1))
    of_topic, of_partition, of_value, of_headers = 1, 3, 4, 10
    given = (of_topic, topic.encode(), of_partition, 0, of_value, b"v", ctypes.c_size_t(1), of_headers, headers, 0)
    assert library.rd_kafka_producev(producer, *given) == 0
    assert library.rd_kafka_flush(producer, 30_000) == 0
    library.rd_kafka_destroy(producer)
