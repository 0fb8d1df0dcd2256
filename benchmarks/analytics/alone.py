"""Spark alone, with the session that services have: `python -m benchmarks.analytics.alone trades|sink`."""

from __future__ import annotations

import os
import sys
import time

import structlog

from benchmarks.analytics.copying import COPIES
from market.settings import TradeSettings
from market.trades import READS, windows
from pipeline.runtime import logs
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.session import build_session
from pipeline.structured.source import kafka_options, records


def main() -> None:
    """Read a topic to its end, once; tell how many seconds that took."""
    logs.configure()
    settings = (TradeSettings if sys.argv[1] == "trades" else AnalyticsSettings).read(os.environ)
    session = build_session("alone", ["market"], settings.spark_sizes())
    frame = records(session, settings, [READS])
    if sys.argv[1] == "trades":
        writer = windows(frame).writeStream.format("noop").outputMode("append")
    else:
        writer = frame.select("key", "value").writeStream.format("kafka").options(**kafka_options(settings))
        writer = writer.option("topic", COPIES)
    begun = time.monotonic()
    writer.option("checkpointLocation", settings.checkpoint_dir).trigger(availableNow=True).start().awaitTermination()
    structlog.get_logger().info("ended", seconds=time.monotonic() - begun)
    session.stop()


if __name__ == "__main__":
    main()
