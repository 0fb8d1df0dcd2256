"""A service of the analytics as small as it can be, for tests of its engine: `python -m tests.analytics_job`.

It copies the values of the topics in READS to the topic in WRITES, with their keys. A record without a value, and one
that begins with `bad`, is a letter. Every batch waits while the file HOLD is there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import structlog
from pyspark.sql import functions as sql

from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.stopping import StopSignal
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.run import Engine
from pipeline.structured.service import Batch, Flow, Service


def copy(writes: str, hold: Path) -> Flow:
    def apply(batch: Batch) -> None:
        while hold.exists():
            time.sleep(0.05)
        missing, bad = sql.col("value").isNull(), sql.col("value").startswith("bad")
        good = batch.frame.where(~missing & ~bad)
        batch.write(writes, good)
        reason = sql.when(missing, "no_value").otherwise("bad_value")
        letters = batch.frame.where(missing | bad)
        batch.letters(
            letters.withColumns({"reason": reason, "field": sql.lit(None).cast("string"), "error": sql.lit("seen")})
        )

    return Flow("copy", os.environ["READS"].split(","), apply)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--until-caught-up", action="store_true")
    arguments = parser.parse_args()
    logs.configure()
    stop = StopSignal()
    stop.listen()
    settings = AnalyticsSettings.read(os.environ)
    writes = os.environ["WRITES"]
    service = Service("copying", [copy(writes, Path(os.environ.get("HOLD", "/nonexistent")))], [writes], ["tests"])
    try:
        Engine(settings, service).run(stop, until_caught_up=arguments.until_caught_up)
    except PipelineError as error:
        structlog.get_logger().error("ended", reason=str(error))
        return 1
    structlog.get_logger().info("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
