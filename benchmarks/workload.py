"""What every part of the benchmark works on: the same bank and the same messages, made from seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Literal
from zlib import crc32

import migrations
from bank.holdings import Account, Card, Loan
from bank.ledger import Ledger
from benchmarks.limits import RECORDS_IN
from benchmarks.scenarios import SCENARIOS, changing
from card_transactions.consumer import CardTransactions
from card_transactions.fraud import FraudWeights
from loans.consumer import Loans
from pipeline.applying.domain import Domain
from pipeline.applying.routing import Router
from pipeline.messages.records import Record
from producers.bank import BankShape, fill, make
from producers.traffic import PARTITION_KEY, Message, Traffic
from stocks.consumer import Stocks
from tests.schema import Schema
from transactions.consumer import Transactions

STREAM = PARTITION_KEY
FIRST_SEQUENCE = 49_600_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000


@dataclass(frozen=True)
class Workload:
    """`count` messages to `shards` shards about a bank of `accounts`. `began_ms`: when the first one arrived.

    `scenario`: of `SCENARIOS`. `aggregate`: messages of a KPL aggregate; 0: plain records. `rate`: messages a second.
    `limits`: whether shards keep to those of Kinesis. Raises `ValueError` where they would not take the rate.

    With one shard all have one partition key, as the real producers' messages have; with more the account decides.
    """

    count: int
    began_ms: int
    shards: int = 1
    accounts: int = 20_000
    odd: float = 0.12
    seed: int = 1
    scenario: str = "mixed"
    aggregate: int = 0
    rate: int = 1_000
    limits: bool = False

    def __post_init__(self) -> None:
        if self.limits and self.rate > self.shards * RECORDS_IN:
            needed = -(-self.rate // RECORDS_IN)
            raise ValueError(f"{self.rate:,} messages a second take {needed} shards of {RECORDS_IN:,} each at least")

    @property
    def shape(self) -> BankShape:
        return BankShape(self.accounts)

    def traffic(self) -> Iterator[Message]:
        """The messages, without an end."""
        scenario = SCENARIOS[self.scenario]
        now = datetime.fromtimestamp(self.began_ms / 1000, UTC).replace(tzinfo=None)
        key: Literal["account", "constant"] = "account" if self.shards > 1 else "constant"
        traffic = Traffic(
            self.seed, self.shape, mix=scenario.mix, hot=scenario.hot, partition_key=key, now=now, odd=self.odd
        )
        if scenario.changed is None:
            return traffic
        changed = changing(scenario.changed(self.seed, self.accounts))
        return ((key, changed(data)) for key, data in traffic)

    def records(self) -> Iterator[Record]:
        """In the order of their arrival."""
        for index, (key, data) in enumerate(islice(self.traffic(), self.count)):
            shard = shard_id(crc32(key.encode()) % self.shards)
            arrived_ms = self.began_ms + index * 1000 // self.rate
            yield Record(shard, str(FIRST_SEQUENCE + index), 0, arrived_ms, data)


def shard_id(number: int) -> str:
    """As Kinesis names its shards."""
    return f"shardId-{number:012d}"


def router() -> Router:
    """The four domains, with the fraud score's default weights."""
    domains: Sequence[Domain] = (Transactions(), CardTransactions(FraudWeights()), Loans(), Stocks())
    return Router(STREAM, {domain.type: domain for domain in domains})


def ledger(workload: Workload) -> Ledger:
    """The whole bank as the rules see it, in memory."""
    rows = make(workload.shape, workload.seed)
    accounts = {row[0]: Account(row[0], row[2], row[3], row[6] or 0, row[8] != 0) for row in rows.accounts}
    cards = {row[1]: Card(row[1], row[0], *row[2:]) for row in rows.cards}
    loans = {row[0]: Loan(row[0], row[2], row[8] != 0) for row in rows.loans}
    return Ledger(cards, accounts, loans)


@contextmanager
def bank(server: Schema, workload: Workload, name: str) -> Iterator[Schema]:
    """A schema of the service with the workload's bank and no written rows, dropped afterwards."""
    schema = server.another(f"{server.name}_{name}")
    migrations.upgrade(schema.url)
    connection = schema.connect()
    fill(connection, workload.shape, workload.seed)
    connection.close()
    try:
        yield schema
    finally:
        schema.drop()
