"""What every command works with: the service's own parts, made from its settings, and short ways to ask them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any, TypeVar

from pipeline.applying.partition import Partition
from pipeline.applying.routing import Router
from pipeline.aws import Aws
from pipeline.dead_letters.items import StoredLetter, UnreadableLetter
from pipeline.dead_letters.table import ROW_BATCH, DeadLetters, warn
from pipeline.dynamodb import describe_table
from pipeline.kinesis.reader import KinesisReader
from pipeline.leases.lease import Lease
from pipeline.leases.table import LeaseTable
from pipeline.mysql.database import Database, Transaction, connections
from pipeline.operations.description import ServiceDescription
from pipeline.runtime.errors import Transient
from pipeline.runtime.retries import retried
from pipeline.runtime.slices import slices
from pipeline.settings.stream import StreamSettings

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which the database is asked again."""


class Workbench:
    """Nothing is connected before it is asked for."""

    def __init__(self, settings: StreamSettings, bank: ServiceDescription) -> None:
        self.settings = settings
        self.bank = bank
        self.aws: Aws = settings.aws()
        self.database = Database.at(settings.mysql)
        self.reader = KinesisReader(self.aws, settings.stream_name)
        self.lease_table = LeaseTable(self.aws, settings.consumer_name)
        self.dead_letters = DeadLetters(self.aws, settings.failover_table, settings.stream_name)
        self.router = Router(settings.stream_name, bank.routes)

    @cached_property
    def partition(self) -> Partition:
        """The service's way of applying records, as one partition in this process."""
        settings = self.settings
        return Partition(
            self.router,
            self.bank.store,
            self.database,
            self.dead_letters,
            partitions=1,
            lanes=settings.max_threads,
            chunk_size=settings.chunk_size,
        )

    def check_schema(self) -> str:
        """Its revision. Raises `Fatal`, naming the command that mends it, where it is old; `Transient`, `Halted`."""
        with closing(self.database.connect()) as connection:
            return self.bank.check_schema(connection)

    def unsent_mails(self) -> Mapping[str, int]:
        """How many wait, and how many are parked; tried again while errors heal."""

        def once() -> Mapping[str, int]:
            with closing(self.database.connect()) as connection:
                return self.bank.unsent(connection)

        return retried(once, lambda error: isinstance(error, Transient), PATIENCE, what="the database")

    def work(self, action: Callable[[Transaction], T]) -> T:
        """What `action` gives in a transaction of its own, tried again while errors heal. It commits itself or not."""

        def once() -> T:
            # A connection is closed by the server after 30 s: none is kept from one piece of work to the next.
            lanes = connections(self.database, self.settings.max_threads)
            with closing(lanes.lane()) as lane, lane.transaction() as transaction:
                return action(transaction)

        return retried(once, lambda error: isinstance(error, Transient), PATIENCE, what="the database")

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        return self.work(lambda transaction: transaction.query(sql, parameters))

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement and commit it; the number of rows that it changed."""

        def once(transaction: Transaction) -> int:
            changed = transaction.execute(sql, parameters)
            transaction.commit()
            return changed

        return self.work(once)

    def rows_exist(self, identities: Collection[bytes]) -> set[bytes]:
        """Those of these events that have their row, in whichever table."""
        return {
            bytes(event)
            for part in slices(sorted(identities), ROW_BATCH)
            for table in {domain.table for domain in self.bank.routes.values()}
            for (event,) in self.query(table.find(("event_id",), len(part)), part)
        }

    def letters(self, odd: Callable[[UnreadableLetter], object] = warn) -> Iterator[StoredLetter]:
        """Every dead letter, in no order; none where their table was not made yet. `odd`: as `DeadLetters.scan`."""
        if describe_table(self.aws, self.dead_letters.table) is not None:
            yield from self.dead_letters.scan(odd)

    def leases(self) -> list[Lease]:
        """Every lease, by shard; none where their table was not made yet."""
        return [] if describe_table(self.aws, self.lease_table.name) is None else self.lease_table.scan()
