"""Spark alone, with the session that services have: `python -m benchmarks.analytics.alone trades|sink|page-views`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa  # type: ignore[import-untyped]
import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.pandas.types import from_arrow_schema

from benchmarks.analytics.copying import COPIES
from market.settings import TradeSettings
from market.trades import READS, windows
from page_views.names import READS as VIEWS
from page_views.segment import VIEW
from page_views.sessions import LENGTH
from page_views.settings import ViewSettings
from page_views.sums import SKETCH
from page_views.taking import seen
from page_views.view import read
from pipeline.runtime import logs
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.service import FOR_NOW
from pipeline.structured.session import build_session
from pipeline.structured.source import kafka_options, records
from pipeline.structured.tasks import columns, tuples

LATENESS = 600
"""Seconds; what VIEWS_LATENESS is unless given."""


def views_of(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Records, all of them good (values and times in ms) → views as the service keeps them (columns `VIEW`)."""
    for batch in batches:
        yield columns([seen(read(value, arrived)) for value, arrived in tuples(batch)], VIEW)


def view_windows(records: DataFrame) -> DataFrame:
    """The windows of page views as Spark does them by itself: read by our rules, users counted by sketches."""
    found = records.select("value", sql.unix_millis("timestamp"))
    views = found.mapInArrow(views_of, from_arrow_schema(VIEW)).withColumn("moment", sql.timestamp_seconds("at"))
    grouped = views.withWatermark("moment", f"{LATENESS} seconds").groupBy(
        sql.window("moment", f"{LENGTH} seconds"), "path", "source", "medium"
    )
    return grouped.agg(sql.count(sql.lit(1)), sql.hll_sketch_agg("user", sql.lit(SKETCH)))


SETTINGS: dict[str, type[AnalyticsSettings]] = {
    "trades": TradeSettings,
    "sink": AnalyticsSettings,
    "page-views": ViewSettings,
}
SHAPES: dict[str, Callable[[DataFrame], DataFrame]] = {"trades": windows, "page-views": view_windows}


def main() -> None:
    """Read a topic to its end, once; tell how many seconds that took."""
    logs.configure()
    kind = sys.argv[1]
    settings = SETTINGS[kind].read(os.environ)
    jvm = FOR_NOW if kind != "trades" else ""
    session = build_session("alone", ["market", "page_views"], settings.spark_sizes(), jvm=jvm)
    frame = records(session, settings, [VIEWS if kind == "page-views" else READS])
    if kind in SHAPES:
        writer = SHAPES[kind](frame).writeStream.format("noop").outputMode("append")
    else:
        writer = frame.select("key", "value").writeStream.format("kafka").options(**kafka_options(settings))
        writer = writer.option("topic", COPIES)
    begun = time.monotonic()
    writer.option("checkpointLocation", settings.checkpoint_dir).trigger(availableNow=True).start().awaitTermination()
    structlog.get_logger().info("ended", seconds=time.monotonic() - begun)
    session.stop()


if __name__ == "__main__":
    main()
