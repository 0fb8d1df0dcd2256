"""A service that copies a topic by the transactional sink, until caught up."""

from __future__ import annotations

import os

import structlog

from market.trades import READS
from pipeline.runtime import logs
from pipeline.runtime.stopping import StopSignal
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.run import Engine
from pipeline.structured.service import FOR_NOW, Batch, Flow, Service

COPIES = "stocks_copied"


def copy(batch: Batch) -> None:
    """Write every record."""
    batch.write(COPIES, batch.frame)


def main() -> None:
    """Until caught up."""
    logs.configure()
    stop = StopSignal()
    stop.listen()
    service = Service("copying", [Flow("copy", [READS], copy)], writes=[COPIES], jvm=FOR_NOW)
    Engine(AnalyticsSettings.read(os.environ), service).run(stop, until_caught_up=True)
    structlog.get_logger().info("ended")


if __name__ == "__main__":
    main()
