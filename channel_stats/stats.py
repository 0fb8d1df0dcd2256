"""The service `channel-stats`: `yt_raw_harvest` → the latest count per channel and day, and per month, in two rhythms.

Two flows read the topic, each with a checkpoint of its own. A batch's harvests come down to the latest of each key
where they are read, are dealt by channel, and told by the task that has the channel (`telling.py`). Nothing is kept
from batch to batch. Letters are the daily flow's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from channel_stats.composing import registry_of
from channel_stats.latest import DAILY, MONTHLY, Period
from channel_stats.registry import Registry
from channel_stats.schemas import newest
from channel_stats.settings import ChannelSettings, RegistrySettings
from channel_stats.tables import AWAY, Tables
from channel_stats.telling import FOUND, Find, Outcome, Reject, Tell
from pipeline.mysql.database import Database
from pipeline.structured.service import FOR_NOW, LETTER, Batch, Flow, Service
from pipeline.structured.tasks import reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

READS: Final = "yt_raw_harvest"
OPTIONS: Final = {"spark.executorEnv.LD_PRELOAD": "libstdc++.so.6"}
"""For Python workers: they load pyarrow first, behind which the database's client finds no room for this library."""
JVM: Final = FOR_NOW
"""The work is done in Python: what the JVM does is not worth compiling for hours to come. With that, 32 µs of its time
went into a harvest, without it 17 (`python -m benchmarks analytics channel-stats --messages 400000`)."""
PLACE: Final = ("key", "value", "topic", "partition", "offset", "timestamp")

log = structlog.get_logger()


class Stats:
    """Applies the batches of one period. `letters`: whether it is the one that writes them."""

    def __init__(self, tables: Tables, registry: Registry, *, letters: bool) -> None:
        self._tables, self._registry, self._letters = tables, registry, letters
        self._schema, self._schema_id = newest(tables.period.name), -1

    def apply(self, batch: Batch) -> None:
        """Topic and tables, then letters. Raises `PipelineError`."""
        topic = self._tables.period.name
        lanes = batch.lanes(topic)
        tell = Tell(lanes, self._tables, READS, self._schema, self._id())
        found = batch.frame.select("value", "partition", "offset").mapInArrow(Find(self._tables.period, lanes), FOUND)
        outcomes = reports(found.repartitionById(lanes.count, found["lane"]), tell)
        batch.wrote(topic, lanes, [outcome.written for outcome in outcomes])
        self._count(batch, outcomes)
        if self._letters and any(outcome.others for outcome in outcomes):
            batch.letters(_letters(batch.records()))

    def _id(self) -> int:
        if self._schema_id < 0:
            self._schema_id = self._registry.id_of(self._tables.period.name, self._schema)
        return self._schema_id

    def _count(self, batch: Batch, outcomes: list[Outcome]) -> None:
        batch.count("harvests", sum(outcome.harvests for outcome in outcomes))
        if lost := sum(outcome.lost for outcome in outcomes):
            batch.count("not stored", lost)


def service(settings: ChannelSettings, prepare: Callable[[], object] = lambda: None) -> Service:
    """The service, put together. `prepare`: makes the tables that are missing."""
    database, registry = Database.at(settings.mysql), registry_of(settings)
    lengths: dict[Period, float] = {DAILY: settings.daily_length, MONTHLY: settings.monthly_length}
    flows = [_flow(period, length, database, registry) for period, length in lengths.items()]
    return Service(
        "channel-stats",
        flows,
        writes=[period.name for period in lengths],
        packages=["channel_stats"],
        needs=[(AWAY, partial(probe, database, prepare))],
        options=OPTIONS,
        jvm=JVM,
    )


def probe(database: Database, prepare: Callable[[], object]) -> None:
    """Raises `Transient` while the database is away, `Fatal` where its tables are none to write to."""
    database.connect().close()
    prepare()
    for period in (DAILY, MONTHLY):
        tables = Tables(database, period)
        tables.probe()
        if collation := tables.folds():
            log.warning("channels may share rows", table=period.name, collation=collation, see="docs/channels.md")


def registered(settings: RegistrySettings) -> None:
    """Raises `Transient` while the registry is away, `Halted` where it does not know what the service writes."""
    registry = registry_of(settings)
    for period in (DAILY, MONTHLY):
        registry.id_of(period.name, newest(period.name))


def _flow(period: Period, length: float, database: Database, registry: Registry) -> Flow:
    stats = Stats(Tables(database, period), registry, letters=period is DAILY)
    return Flow(period.name, [READS], stats.apply, length=length)


def _letters(records: DataFrame) -> DataFrame:
    return records.select(*PLACE).mapInArrow(Reject(), LETTER)
