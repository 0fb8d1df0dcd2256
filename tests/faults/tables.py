"""What a run left behind, as plain data: tables, letters, checkpoints, and when each message arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from pipeline.messages.records import END, START, Position, Record
from producers.kinesis import Put
from tests.model.bank import Bank, Columns
from tests.model.outcome import TABLES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

WRITTEN = tuple(TABLES.values())


@dataclass(frozen=True)
class Tables:
    """All tables at one moment. `rows`: written table → column dicts; `alerts`: event ids in the outbox, of which
    `mailed` are noted as sent and `untried` as never tried.
    """

    bank: Bank
    rows: Mapping[str, list[Columns]] = field(default_factory=lambda: {table: [] for table in WRITTEN})
    alerts: tuple[bytes, ...] = ()
    mailed: frozenset[bytes] = frozenset()
    untried: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class Snapshot:
    """Tables at one moment of a run, and the checkpoints (shard → position) as they stood just before it.

    `letters`: keys of those that there were just after the checkpoints were read; None: nobody looked.
    """

    tables: Tables
    checkpoints: Mapping[str, Position] = field(default_factory=dict)
    letters: frozenset[int] | None = None


def read_tables(connection: Any) -> Tables:
    """Everything in one consistent snapshot, without a lock. `connection`: mysql-connector's; rolled back first."""
    connection.rollback()
    with closing(connection.cursor(dictionary=True)) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        read = {table: _select(cursor, table) for table in ("users", "accounts", "cards", "loans", *WRITTEN)}
        outbox = _select(cursor, "fraud_alerts")
    connection.rollback()
    rows = {table: read[table] for table in WRITTEN}
    users, accounts, loans = ({row["id"]: row for row in read[table]} for table in ("users", "accounts", "loans"))
    cards = {int(row["card_num"]): row for row in read["cards"]}
    bank = Bank(users, accounts, cards, loans, _spending(rows["card_transactions"]))
    alerts = tuple(alert["event_id"] for alert in outbox)
    mailed = frozenset(alert["event_id"] for alert in outbox if alert["sent_at"] is not None)
    untried = frozenset(alert["event_id"] for alert in outbox if alert["sent_at"] is None and not alert["attempts"])
    return Tables(bank, rows, alerts, mailed, untried)


def _select(cursor: Any, table: str) -> list[Columns]:
    cursor.execute(f"SELECT * FROM {table}")
    rows: list[Columns] = cursor.fetchall()
    for row in rows:
        if row.get("event_id") is not None:
            row["event_id"] = bytes(row["event_id"])
    return rows


def _spending(rows: Iterable[Columns]) -> dict[int, Any]:
    spent = defaultdict(list)
    for row in rows:
        if row["status"] == 1:
            spent[int(row["card_num"])].append((row["time_stamp"], row["transfer_value"]))
    return spent


def read_letters(client: DynamoDBClient, table: str) -> dict[int, Columns]:
    """Every dead letter by its key."""
    letters = (_plain(item) for item in _scan(client, table))
    return {int(letter["key"]): letter for letter in letters}


def read_checkpoints(client: DynamoDBClient, table: str) -> dict[str, Position]:
    """Shard → the position up to which the lease table says that everything is durable."""
    leases = [_plain(item) for item in _scan(client, table)]
    return {lease["leaseKey"]: _position(lease) for lease in leases if lease.get("entityType", "LEASE") == "LEASE"}


def _position(lease: Columns) -> Position:
    checkpoint = lease["checkpoint"]
    if checkpoint == "SHARD_END":
        return END
    if not checkpoint.isdigit():
        return START
    return Position(int(checkpoint), int(lease.get("checkpointSubSequenceNumber", 0)))


def _scan(client: DynamoDBClient, table: str) -> Iterable[Mapping[str, Any]]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def _plain(item: Mapping[str, Any]) -> Columns:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def read_arrivals(client: KinesisClient, stream: str, puts: Iterable[Put]) -> list[Record]:
    """The messages put, with the arrival time that the stream gives them. Raises `LookupError` where one is not there.

    Each shard is read from its beginning until everything put into it was seen.
    """
    puts = list(puts)
    wanted: dict[str, set[str]] = defaultdict(set)
    for put in puts:
        wanted[put.shard].add(put.sequence)
    arrived = {shard: _arrivals(client, stream, shard, sequences) for shard, sequences in wanted.items()}
    return [
        Record(put.shard, put.sequence, put.sub_sequence, arrived[put.shard][put.sequence], put.data) for put in puts
    ]


def _arrivals(client: KinesisClient, stream: str, shard: str, wanted: set[str]) -> dict[str, int]:
    """Sequence number → milliseconds since the epoch."""
    found: dict[str, int] = {}
    answer = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator: str | None = answer["ShardIterator"]
    while iterator and not wanted <= found.keys():
        page = client.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            found[record["SequenceNumber"]] = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
        iterator = page.get("NextShardIterator")
        if not page["Records"] and not page["MillisBehindLatest"]:
            break
    if not wanted <= found.keys():
        raise LookupError(f"{len(wanted - found.keys())} records are not in {shard}")
    return found


def with_unsaid(client: KinesisClient, stream: str, said: list[Record]) -> list[Record]:
    """All of `said`, and at their places the plain records that their shards hold beside them.

    A producer that had no answer in time puts its records again: the stream may hold both, and knows only of one.
    """
    known = {(record.shard, record.sequence) for record in said}
    records = list(said)
    for shard in {record.shard for record in said}:
        for unsaid in _held(client, stream, shard):
            if (shard, unsaid.sequence) not in known:
                after = (n for n, one in enumerate(records) if one.shard == shard and one.position > unsaid.position)
                records.insert(next(after, len(records)), unsaid)
    return records


def _held(client: KinesisClient, stream: str, shard: str) -> Iterator[Record]:
    answer = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator: str | None = answer["ShardIterator"]
    while iterator:
        page = client.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            arrived = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
            yield Record(shard, record["SequenceNumber"], 0, arrived, record["Data"])
        iterator = page.get("NextShardIterator")
        if not page["Records"] and not page["MillisBehindLatest"]:
            return
