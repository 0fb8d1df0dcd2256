"""The service's unit of work against the model: odd traffic, several lanes at once, everything applied twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import islice

import pytest

from bank.tables import BankStore
from card_transactions.consumer import CardTransactions
from card_transactions.fraud import FraudWeights, sampled
from loans.consumer import Loans
from pipeline.applying.domain import Domain
from pipeline.applying.partition import Partition
from pipeline.applying.routing import Router
from pipeline.dead_letters.table import DeadLetters
from pipeline.messages.records import START, Position, Report
from pipeline.mysql.database import Database
from producers.bank import BankShape, fill
from producers.kinesis import put
from producers.traffic import Traffic
from stocks.consumer import Stocks
from tests.contract.streams import TestStream
from tests.faults.checker import check
from tests.faults.facts import Run
from tests.faults.tables import Snapshot, Tables, read_arrivals, read_letters, read_tables
from tests.schema import Schema
from transactions.consumer import Transactions

PARTITIONS = 2
MESSAGES = 2_000
CHANCE = Decimal("0.1")
DOMAINS: tuple[Domain, ...] = (Transactions(), CardTransactions(FraudWeights(sample_chance=CHANCE)), Loans(), Stocks())
ROUTES: Mapping[str, Domain] = {domain.type: domain for domain in DOMAINS}


class Service:
    """The service between the read and the checkpoint, on a stream, a database and letters of its own."""

    def __init__(self, stream: TestStream, schema: Schema, chunk_size: int) -> None:
        self.stream, self.schema = stream, schema
        self.letters = DeadLetters(stream.aws, f"letters-{stream.name}", stream.name)
        self.letters.ensure()
        self.router = Router(stream.name, ROUTES)
        database = Database(schema.host, schema.port, schema.user, schema.password, schema.name)
        self.partition = Partition(self.router, BankStore(), database, self.letters, PARTITIONS, 3, chunk_size)

    def apply(self, after: Position, records: int) -> Position:
        """Read so many records and apply them, the partitions at once; where the next read begins."""
        extent = self.stream.read(after, max_records=records)
        blocks = [[block] for _, block in self.router.split(extent, PARTITIONS)]
        with ThreadPoolExecutor(PARTITIONS) as threads:
            reports: Iterator[Report] = threads.map(self.partition.apply, blocks)
            assert [report.failure for report in reports] == [None] * PARTITIONS
        return extent.through

    def tables(self) -> Tables:
        return read_tables(self.schema.connect())


@pytest.mark.parametrize(("accounts", "chunk_size", "aggregate"), [(400, 100, False), (30, 37, True)])
def test_the_service_and_the_model_read_the_contract_alike(
    moto: str, database: Schema, accounts: int, chunk_size: int, aggregate: bool
) -> None:
    shape, stream = BankShape(accounts), TestStream(moto)
    fill(database.connect(), shape, 1)
    sent = put(
        stream.client, stream.name, islice(Traffic(1, shape, odd=0.3, ids=0.3, hot=0.3), MESSAGES), aggregate=aggregate
    )
    service = Service(stream, database, chunk_size)
    opening = service.tables()
    half = service.apply(START, MESSAGES // 2)
    snapshots = [Snapshot(service.tables(), {"shardId-000000000000": half})]
    service.apply(half, MESSAGES)
    service.apply(START, MESSAGES)
    run = Run(
        stream.name,
        read_arrivals(stream.client, stream.name, sent.records),
        opening,
        service.tables(),
        read_letters(stream.aws.client("dynamodb"), service.letters.table),
        snapshots if not aggregate else [],
        must_happen=[("card_transaction", "-8"), ("transaction", "-1"), ("stock", "letter:illegal_null")],
        sampled=lambda event: sampled(event, CHANCE),
    )
    report = check(run)
    assert report.ok, report
    assert report.outcomes.total() == MESSAGES
