"""The service as an operator sees it, without Spark: real stream, tables and database, all behind proxies that fail."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import msgspec
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from card_transactions.alerts import unsent
from pipeline.applying.routing import Router
from pipeline.aws import Aws
from pipeline.dead_letters.table import DeadLetters
from pipeline.dstream.driver import Driver, Helper
from pipeline.dstream.monitoring.health import Health
from pipeline.dstream.monitoring.polls import AuditPoll, DatabasePoll, LetterPoll
from pipeline.kinesis.reader import KinesisReader
from pipeline.kinesis.source import KinesisSource
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.table import LeaseTable
from pipeline.messages.records import Range, Report
from pipeline.mysql.database import Database
from pipeline.observability.polling import Poller
from pipeline.runtime.errors import PipelineError
from tests.contract.misbehaving import Misbehaving, misbehaving
from tests.contract.streams import TestStream
from tests.faults.proxy import Cut, Proxy, cutting
from tests.integration.small_bank import SmallBank
from tests.schema import Schema

INTERVAL = 3.0
FAILOVER = 2.0
PATIENT = 60.0
Sample = tuple[str, tuple[tuple[str, str], ...]]


class Clock:
    """The time, which may be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Watched:
    """A driver over `bank`, its stream on moto. `aws`, `door`: the proxies before moto and before the database."""

    def __init__(self, bank: SmallBank, aws: Misbehaving, door: DatabaseDoor) -> None:
        self.bank, self.aws, self.door, self.clock = bank, aws, door, Clock()
        self.stream = TestStream(f"http://{aws.target.netloc}")
        self.health = Health("bank-stream", INTERVAL, clock=self.clock)
        self._reached = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", aws.url),))
        letters = DeadLetters(self._reached, bank.partition.dead_letters.table, self.stream.name, seconds=0.2)
        self._partition = replace(
            bank.partition,
            router=Router(self.stream.name, bank.partition.router.routes),
            dead_letters=letters,
            database=door.database,
            deadline=0.5,
        )
        self._leases = LeaseTable(self._reached, f"leases-{uuid.uuid4()}")
        tables = tuple(domain.table.name for domain in bank.partition.router.routes.values())
        metrics = self.health.metrics.polled
        look = DatabasePoll(metrics, door.database.connect, tables, unsent)
        audit = AuditPoll(metrics, door.database.connect)
        self.poller = Poller(LetterPoll(metrics, letters), look, audit, every=0.1)
        self.driver = self.another(self.health, [self.poller])

    def another(self, health: Health, helpers: Sequence[Helper] = ()) -> Driver:
        """A driver of the same stream, with the same leases."""
        keeper = LeaseKeeper(self._leases, str(uuid.uuid4()), FAILOVER, on_look=health.turned)
        reader = KinesisReader(self._reached, self.stream.name, patience=0.2)
        source = KinesisSource(reader, keeper, "TRIM_HORIZON", 1000, clock=self.clock)
        metrics = health.metrics
        metrics.shards, metrics.stopped, metrics.retention = keeper.moments, source.stopped.copy, source.retention

        def run(ranges: Sequence[Range]) -> list[Report]:
            unread: dict[str, tuple[str, str]] = {}
            blocks = []
            for wanted in ranges:
                try:
                    blocks += self._partition.router.split(reader.read(wanted), 1)
                except PipelineError as error:
                    unread[wanted.shard] = (type(error).__name__, str(error))
            report = self._partition.apply([block for _, block in blocks])
            report.unread = unread
            return [report]

        return Driver(
            source, run, partitions=1, batch_length=INTERVAL, helpers=helpers, health=health, clock=self.clock
        )

    @contextmanager
    def running(self, driver: Driver | None = None) -> Iterator[None]:
        """Lead, or stand by, in the background."""
        driver = driver or self.driver
        thread = threading.Thread(target=driver.lead)
        thread.start()
        try:
            yield
        finally:
            driver.stop()
            thread.join()

    def put(self, *messages: Mapping[str, object]) -> None:
        self.stream.put(*map(msgspec.json.encode, messages))

    def tick(self) -> None:
        self.driver.tick(self.clock())

    def tick_until(self, condition: Callable[[], object]) -> None:
        """Tick after tick until it holds."""

        def ticked() -> object:
            self.tick()
            return condition()

        until(ticked)

    def samples(self) -> dict[Sample, float]:
        return samples(self.health)

    def value(self, name: str, **labels: str) -> float | None:
        """One sample of `bank_stream_<name>`; None where it is absent."""
        return self.samples().get((f"bank_stream_{name}", tuple(sorted(labels.items()))))


def samples(health: Health) -> dict[Sample, float]:
    """Everything that /metrics says."""
    return parsed(generate_latest(health.metrics.registry).decode())


def parsed(text: str) -> dict[Sample, float]:
    """A page of metrics, but for when each counter was made."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def until(condition: Callable[[], object]) -> None:
    """Wait for it. AssertionError after a minute."""
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline, "not within a minute"
        time.sleep(0.05)


@contextmanager
def watched(schema: Schema, moto: str) -> Iterator[Watched]:
    """The service, and what it needs behind proxies of its own."""
    with ExitStack() as stack:
        aws = stack.enter_context(misbehaving(moto))
        door = stack.enter_context(DatabaseDoor(schema))
        yield Watched(SmallBank(schema, moto), aws, door)


class DatabaseDoor:
    """A proxy before the database at one port, and a user who may not write where the server is read-only."""

    def __init__(self, schema: Schema) -> None:
        self._schema, self._stack = schema, ExitStack()
        self._user = f"u{uuid.uuid4().hex[:16]}"
        self._proxy: Proxy | None = None

    def __enter__(self) -> DatabaseDoor:
        self._schema.add_user(self._user, "secret")
        self._schema.execute(f"GRANT SELECT, INSERT, UPDATE ON `{self._schema.name}`.* TO {self._user}")
        self.open()
        assert self._proxy is not None
        self.database = Database("127.0.0.1", self._proxy.port, self._user, "secret", self._schema.name)
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
        self.read_only(False)
        self._schema.execute(f"DROP USER {self._user}")

    def open(self) -> None:
        """Let connections in, at the port that it had."""
        port = self._proxy.port if self._proxy else None
        self._proxy = self._stack.enter_context(cutting(self._schema.port, lambda _: Cut.NONE, port))

    def close(self) -> None:
        """Cut every connection and take no new one."""
        self._stack.close()

    def read_only(self, state: bool) -> None:
        self._schema.execute(f"SET GLOBAL read_only = {int(state)}")
