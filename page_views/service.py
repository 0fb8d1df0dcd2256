"""The service `page-views`: files and the topic `page_views_raw` → `page_views`, and windows to `aggregate_page_views`.

Files become records of the topic, once (`drop.py`), so that there is one source, whose records come again as they were.
A record is late by the watermark of its batch, which is on record with it: no window and no other output has it then.

Windows are kept by user, as long as they are open. When they close, their views are put in order, user by user, behind
what is known of each user from before (`sessions.py`): so "sessions begun" is the same in whichever order views came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.functions import col, lit

from page_views.batches import Batches
from page_views.carried import Carried
from page_views.drop import DropFolder
from page_views.names import AGGREGATES, FILE, READS, VIEWS
from page_views.settings import ViewSettings
from page_views.tasks import READ, TOLD, VIEW, WATERMARK, Begins, Read, in_time
from pipeline.kafka.client import client_options
from pipeline.structured.service import ROW, Batch, Flow, Service

LENGTH: Final = 300
"""Seconds of a window."""
SKETCH: Final = 14
"""lgK of the sketches of users: 2 in 3 estimates are within 0.8 %."""

_TIME: Final = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"


def windows(lateness: int) -> Callable[[DataFrame], DataFrame]:
    """Records → the views of a user in a window that has closed: `window`, `user`, `views`."""

    def shape(records: DataFrame) -> DataFrame:
        views = records.select("value", _arrived(), _header("fault")).mapInArrow(in_time, VIEW)
        return (
            views.withColumn("moment", sql.timestamp_seconds("at"))
            .withWatermark("moment", f"{lateness} seconds")
            .groupBy(sql.window("moment", f"{LENGTH} seconds"), "user")
            .agg(sql.collect_list(sql.struct("at", "path", "source", "medium")).alias("views"))
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


class PageViews:
    """What becomes of each batch: windows that have closed, then views and letters, then files of batches.

    `views` and `aggregates`: topics. `gap`: of sessions, in seconds. `batches`: None where no files are wanted.
    """

    def __init__(self, views: str, aggregates: str, gap: int, carried: Carried, batches: Batches | None) -> None:
        self._views, self._aggregates, self._gap = views, aggregates, gap
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
        closed = batch.frame.persist()
        try:
            if closed.isEmpty():
                batch.write(self._aggregates, batch.frame.sparkSession.createDataFrame([], ROW), self._out(batch))
                return
            told = self._told(closed, batch).persist()
            try:
                batch.write(self._aggregates, rows(told.where("begun IS NULL"), self._aggregates), self._out(batch))
                self._carried.leave(told.where("begun IS NOT NULL"), batch.number)
            finally:
                told.unpersist()
        finally:
            closed.unpersist()

    def _told(self, closed: DataFrame, batch: Batch) -> DataFrame:
        views = closed.select("user", sql.explode("views").alias("view")).select("user", "view.*")
        known = self._carried.before(closed.sparkSession, batch.number)
        everything = views.unionByName(known, allowMissingColumns=True)
        in_order = everything.repartition("user").sortWithinPartitions(
            "user", "at", col("begun").isNull(), "path", "source", "medium"
        )
        until = batch.watermark // 1000 // LENGTH * LENGTH
        return in_order.select("user", "at", "path", "source", "medium", "begun").mapInArrow(
            Begins(self._gap, until), TOLD
        )

    def _out(self, batch: Batch) -> dict[tuple[str, int], int]:
        return {(self._aggregates, 0): batch.watermark + 1}

    def _write(self, batch: Batch) -> None:
        place = ("key", "value", "topic", "partition", "offset", "timestamp")
        records = batch.records().select(*place, _arrived(), _header("fault"), _header(FILE))
        read = records.mapInArrow(Read(batch.watermark), READ).persist()
        try:
            batch.write(self._views, read.where("reason IS NULL"))
            if not read.where("reason IS NOT NULL").isEmpty():
                batch.letters(read.where("reason IS NOT NULL"))
        finally:
            read.unpersist()


def service(settings: ViewSettings) -> Service:
    """The service, put together."""
    client = client_options(settings)
    batches = Batches(settings.batches_dir, settings.batch_events, client) if settings.batches_dir else None
    views = PageViews(VIEWS, AGGREGATES, settings.session_gap, Carried(settings.checkpoint_dir), batches)
    flow = Flow("views", [READS], views.apply, windows(settings.views_lateness))
    folder = settings.page_views_dir
    drop = DropFolder(folder, client, settings.topic_replication) if folder else None
    return Service(
        "page-views",
        [flow],
        writes=[VIEWS, AGGREGATES],
        packages=["page_views"],
        prepare=(lambda _: drop.begin()) if drop else None,
    )


def _arrived() -> Column:
    return sql.unix_millis("timestamp").alias("arrived")


def _header(name: str) -> Column:
    found = sql.filter("headers", lambda header: header["key"] == name)
    return sql.get(found, lit(0))["value"].cast("string").alias(name)


def _moment(seconds: Column) -> Column:
    return sql.date_format(sql.timestamp_seconds(seconds), _TIME)
