"""The engine's parts, put together from the settings; of the bank it takes what it is given."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from pipeline.applying.domain import Domain, StateStore
from pipeline.applying.partition import Partition
from pipeline.applying.routing import Router
from pipeline.dead_letters.table import DeadLetters
from pipeline.dstream.cluster import options
from pipeline.dstream.driver import Driver, Helper
from pipeline.dstream.monitoring.health import Health
from pipeline.dstream.monitoring.polls import AuditPoll, DatabasePoll, LetterPoll
from pipeline.dstream.stream import SparkBatch, run
from pipeline.kinesis.reader import KinesisReader
from pipeline.kinesis.shards import describe
from pipeline.kinesis.source import KinesisSource
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.table import LeaseTable
from pipeline.messages.records import Range, Report
from pipeline.mysql.database import Database
from pipeline.observability.polling import Poller
from pipeline.observability.server import served
from pipeline.runtime.errors import Transient
from pipeline.runtime.garbage import HeapFreezer
from pipeline.runtime.starting import wait_for
from pipeline.runtime.stopping import StopSignal
from pipeline.settings.stream import StreamSettings
from pipeline.spark.context import build_context

PROBE = 5.0
"""Seconds that one try of a dead-letter table may take while starting."""


class Service:
    """Everything between the stream and its effects; nothing is connected before `run`.

    `check_schema`: raises `Fatal` where the schema behind a connection does not fit. `outbox`: how many mails are not
    sent, by state, as a connection tells.
    """

    def __init__(
        self,
        settings: StreamSettings,
        routes: Mapping[str, Domain],
        store: StateStore,
        check_schema: Callable[[Any], object],
        outbox: Callable[[Any], Mapping[str, int]] = lambda _: {},
        lease_table: type[LeaseTable] = LeaseTable,
    ) -> None:
        self._settings, self._check, self._outbox = settings, check_schema, outbox
        aws, stream = settings.aws(), settings.stream_name
        self._reader = KinesisReader(aws, stream)
        self._leases = lease_table(aws, settings.consumer_name)
        self._letters = DeadLetters(aws, settings.failover_table, stream)
        self._router = Router(stream, routes)
        self._store = store
        self._health = Health(settings.title, settings.batch_length)
        self._health.metrics.batch.expect(routes)
        self.database = Database.at(settings.mysql)

    def run(self, stop: StopSignal, helpers: Sequence[Helper], *, until_caught_up: bool = False) -> None:
        """Consume until `stop` or, if wanted, until caught up. Raises `PipelineError`.

        `helpers`: run while this process holds the leases.
        """
        settings = self._settings
        with served(self._health, settings.metrics_address, settings.metrics_port):
            if self._answers(stop):
                self._consume(stop, helpers, until_caught_up)

    def _consume(self, stop: StopSignal, helpers: Sequence[Helper], until_caught_up: bool) -> None:
        settings = self._settings
        context = build_context(
            settings.title, self._packages(), options(settings), allow_plaintext=settings.spark_allow_plaintext
        )
        stop.listen()  # SparkContext has taken SIGINT
        source, partition = self._source(), self._partition()
        batch = SparkBatch(
            context, source.reader, self._router.split, partition.apply, settings.partitions, settings.aws()
        )
        batch.warm_up()
        driver = Driver(
            source,
            self._batches(batch),
            partitions=settings.partitions,
            batch_length=settings.batch_length,
            helpers=[*helpers, self._poller(), HeapFreezer()],
            until_caught_up=until_caught_up,
            health=self._health,
        )
        run(context, driver, settings.batch_length, stop)

    def _packages(self) -> set[str]:
        """What tasks import: the engine, and the packages that its routes and its store come from."""
        parts: list[object] = [self, self._store, *self._router.routes.values()]
        return {type(part).__module__.partition(".")[0] for part in parts}

    def _batches(self, run: SparkBatch) -> Callable[[Sequence[Range]], list[Report]]:
        """What runs a batch: a dry run looks at what became of it."""
        return run

    def _source(self) -> KinesisSource:
        keeper = LeaseKeeper(self._leases, str(uuid.uuid4()), on_look=self._health.turned)
        source = KinesisSource(
            self._reader, keeper, self._settings.initial_position, self._settings.max_records_per_shard
        )
        metrics = self._health.metrics
        metrics.shards, metrics.stopped, metrics.retention = keeper.moments, source.stopped.copy, source.retention
        return source

    def _partition(self) -> Partition:
        settings = self._settings
        return Partition(
            self._router,
            self._store,
            self.database,
            self._letters,
            settings.partitions,
            settings.max_threads,
            settings.chunk_size,
        )

    def _poller(self) -> Poller:
        metrics = self._health.metrics
        metrics.batch.connections.labels("allowed").set(self._settings.partitions * self._settings.max_threads)
        tables = tuple(domain.table.name for domain in self._router.routes.values())
        connect = self.database.connect
        return Poller(
            LetterPoll(metrics.polled, self._letters),
            DatabasePoll(metrics.polled, connect, tables, self._outbox),
            AuditPoll(metrics.polled, connect),
        )

    def _answers(self, stop: StopSignal) -> bool:
        """Wait until all that the service talks to answers; make missing tables of DynamoDB. False if stopped.

        Raises `Fatal`, saying what is away or has to be mended, and `Halted`.
        """
        letters = replace(self._letters, seconds=PROBE)
        return (
            wait_for("the database", self._check_schema, stop)
            and wait_for("the stream", self._check_stream, stop)
            and wait_for("the lease table", self._leases.ensure, stop)
            and wait_for("the dead-letter table", letters.ensure, stop)
        )

    def _check_schema(self) -> None:
        with closing(self.database.connect()) as connection:
            self._check(connection)

    def _check_stream(self) -> None:
        found = describe(self._reader.aws, self._reader.stream)
        if found.status not in ("ACTIVE", "UPDATING"):
            raise Transient(f"stream {self._reader.stream} is {found.status}")
