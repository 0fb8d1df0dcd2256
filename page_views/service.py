"""The service `page-views`: files and the topic `page_views_raw` → views, windows, sessions; topics and tables of them.

Files become records of the topic, once (`drop.py`), so that there is one source, whose records come again as they were.
A record is late by the watermark of its batch, which is on record with it: no window and no other output has it then.

Windows are kept by user, as long as they are open. When they close, their views are put in order, user by user, behind
the session that is known of each user from before (`sessions.py`): so sessions are the same in whichever order views
came. Tables are made of the topics that are written (`loader.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.functions import col, lit

from page_views.batches import Batches
from page_views.carried import Carried
from page_views.drop import DropFolder
from page_views.loader import Loader
from page_views.names import AGGREGATES, FILE, READS, SESSIONS, VIEWS
from page_views.sessions import LENGTH
from page_views.settings import ViewSettings
from page_views.tasks import READ, SEEN, TOLD, VIEW, WATERMARK, Read, Sessions, in_time
from page_views.watch import Watch
from pipeline.kafka.client import client_options
from pipeline.lake.lake import Lake
from pipeline.structured.service import FOR_NOW, Batch, Flow, Service

SKETCH: Final = 14
"""lgK of the sketches of users: 2 in 3 estimates are within 0.8 %."""

WATCH: Final = 10.0
"""Seconds between two looks at the tables' state."""

JVM: Final = FOR_NOW
"""The work is done in Python: of the JVM's 34 s of processor time for 200,000 views, 26 went into compiling plans for
hours to come. Without that it takes 9 s (`python -m benchmarks analytics page-views --messages 200000`)."""

_TIME: Final = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"


def windows(lateness: int) -> Callable[[DataFrame], DataFrame]:
    """Records → the views of a user in a window that has closed: `window`, `user`, `views`."""

    def shape(records: DataFrame) -> DataFrame:
        views = records.select("value", _arrived(), _header("fault")).mapInArrow(in_time, VIEW)
        return (
            views.withColumn("moment", sql.timestamp_seconds("at"))
            .withWatermark("moment", f"{lateness} seconds")
            .groupBy(sql.window("moment", f"{LENGTH} seconds"), "user")
            .agg(
                sql.collect_list(sql.struct("at", "path", "source", "medium", "source_key", "browser_key")).alias(
                    "views"
                )
            )
        )

    return shape


def rows(told: DataFrame, topic: str) -> DataFrame:
    """Views and whether each begins a session → what is written to `topic`: JSON by path, marked by window's end."""
    start = (sql.floor(col("at") / LENGTH) * LENGTH).alias("start")
    found = told.groupBy(start, "path", "source", "medium").agg(
        sql.count(lit(1)).alias("views"),
        sql.sum("begins").alias("sessions"),
        sql.hll_sketch_agg("user", lit(SKETCH)).alias("sketch"),
    )
    end = col("start") + LENGTH
    value = sql.to_json(
        sql.struct(
            _moment(col("start")).alias("start"),
            _moment(end).alias("end"),
            "path",
            col("source").alias("utmSource"),
            col("medium").alias("utmMedium"),
            "views",
            sql.hll_sketch_estimate("sketch").alias("uniqueUsers"),
            "sessions",
            sql.base64("sketch").alias("sketch"),
        ),
        {"ignoreNullFields": "false"},
    )
    return found.select(
        col("path").cast("binary").alias("key"),
        value.cast("binary").alias("value"),
        lit(topic).alias("topic"),
        lit(0).alias("partition"),
        (end * 1000).cast("bigint").alias("offset"),
    )


def session_rows(told: DataFrame, topic: str) -> DataFrame:
    """Sessions that are over → what is written to `topic`: JSON by user, marked by the window that ended them."""
    value = sql.to_json(
        sql.struct(
            sql.substring(sql.sha2(sql.concat_ws("\n", "user", "at"), 256), 1, 32).alias("id"),
            col("user").alias("anonymousUserId"),
            _moment(col("at")).alias("begin"),
            _moment(col("last")).alias("end"),
            "views",
            col("path").alias("landingPath"),
            col("exit").alias("exitPath"),
            col("source").alias("utmSource"),
            col("medium").alias("utmMedium"),
            col("source_key").alias("sourceKey"),
            col("browser_key").alias("browserKey"),
        ),
        {"ignoreNullFields": "false"},
    )
    return told.select(
        col("user").cast("binary").alias("key"),
        value.cast("binary").alias("value"),
        lit(topic).alias("topic"),
        lit(0).alias("partition"),
        (col("closes") * 1000).alias("offset"),
    )


class Out(NamedTuple):
    """Topics that are written."""

    views: str = VIEWS
    aggregates: str = AGGREGATES
    sessions: str = SESSIONS


class PageViews:
    """What becomes of each batch: windows and sessions that are over, then views and letters, then files of batches.

    `gap`: of sessions, in seconds. `batches`: None where no files are wanted.
    """

    def __init__(self, gap: int, carried: Carried, batches: Batches | None, out: Out) -> None:
        self._out, self._gap = out, gap
        self._carried, self._batches = carried, batches

    def apply(self, batch: Batch) -> None:
        """Raises `PipelineError`."""
        batch.frame.sparkSession.sparkContext.setLocalProperty(WATERMARK, str(batch.watermark))
        self._close(batch)
        if batch.ranges():
            self._write(batch)
        if self._batches is not None:
            self._batches.take()

    def _close(self, batch: Batch) -> None:
        closed, until = batch.frame.persist(), batch.watermark // 1000 // LENGTH * LENGTH
        try:
            if closed.isEmpty() and until <= self._carried.until(batch.number):
                self._tell(batch, closed.sparkSession.createDataFrame([], TOLD))
                return
            told = self._told(closed, batch.number, until).persist()
            try:
                self._tell(batch, told)
                self._carried.leave(told.where("last IS NOT NULL AND closes IS NULL"), batch.number, until)
            finally:
                told.unpersist()
        finally:
            closed.unpersist()

    def _told(self, closed: DataFrame, batch: int, until: int) -> DataFrame:
        views = closed.select("user", sql.explode("views").alias("view")).select("user", "view.*")
        known = self._carried.before(closed.sparkSession, batch)
        everything = views.unionByName(known, allowMissingColumns=True)
        order = ("user", "at", col("last").isNull(), "path", "source", "medium", "source_key", "browser_key")
        in_order = everything.repartition("user").sortWithinPartitions(*order)
        return in_order.select(*SEEN).mapInArrow(Sessions(self._gap, until), TOLD)

    def _tell(self, batch: Batch, told: DataFrame) -> None:
        aggregates, sessions = self._out.aggregates, self._out.sessions
        through = batch.watermark + 1
        batch.write(aggregates, rows(told.where("last IS NULL"), aggregates), {(aggregates, 0): through})
        batch.write(sessions, session_rows(told.where("closes IS NOT NULL"), sessions), {(sessions, 0): through})

    def _write(self, batch: Batch) -> None:
        place = ("key", "value", "topic", "partition", "offset", "timestamp")
        records = batch.records().select(*place, _arrived(), _header("fault"), _header(FILE))
        read = records.mapInArrow(Read(batch.watermark), READ).persist()
        try:
            batch.write(self._out.views, read.where("reason IS NULL"))
            if not read.where("reason IS NOT NULL").isEmpty():
                batch.letters(read.where("reason IS NOT NULL"))
        finally:
            read.unpersist()


def service(settings: ViewSettings) -> Service:
    """The service, put together."""
    client = client_options(settings)
    batches = Batches(settings.batches_dir, settings.batch_events, client) if settings.batches_dir else None
    views = PageViews(settings.session_gap, Carried(settings.checkpoint_dir), batches, Out())
    flow = Flow("views", [READS], views.apply, windows(settings.views_lateness))
    folder = settings.page_views_dir
    drop = DropFolder(folder, client, settings.topic_replication) if folder else None
    lake = Lake.of(settings) if settings.lake_uri else None
    loader = Loader(lake, client, settings.secret, settings.tables_interval) if lake else None

    def prepare(_: SparkSession) -> None:
        if loader:
            loader.begin()
        if drop:
            drop.begin()

    return Service(
        "page-views",
        [flow],
        writes=Out(),
        packages=["page_views"],
        needs=[("the lakehouse", lake.probe)] if lake else [],
        prepare=prepare,
        jvm=JVM,
        finish=loader.take if loader else None,
        watch=(lambda told: Watch(loader, told)) if loader else None,
        watch_interval=WATCH,
    )


def _arrived() -> Column:
    return sql.unix_millis("timestamp").alias("arrived")


def _header(name: str) -> Column:
    found = sql.filter("headers", lambda header: header["key"] == name)
    return sql.get(found, lit(0))["value"].cast("string").alias(name)


def _moment(seconds: Column) -> Column:
    return sql.date_format(sql.timestamp_seconds(seconds), _TIME)
