"""The analytics: each service reads topics of Kafka, day and night, or until it has caught up.

Run it with `python stream_analytics.py SERVICE`, the way in a container, or with spark-submit. SIGTERM and Ctrl-C
finish the batch in flight. Exit codes: 0 stopped, or caught up; 1 could not go on; 2 wrong settings.

Spark and the clients of Kafka and databases take seconds to load: that waits until the settings are known to be right.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError
from pipeline.settings.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.settings.analytics import AnalyticsSettings
    from pipeline.structured.service import Service

Composed = tuple["AnalyticsSettings", "Service"]


def candles(environ: Mapping[str, str]) -> Composed:
    """Topics of candles into MongoDB, with indicators."""
    from market.settings import CandleSettings

    settings = CandleSettings.read(environ)
    from market.candles import service

    return settings, service(settings)


def trades(environ: Mapping[str, str]) -> Composed:
    """Trades into sliding windows of average prices, to a topic."""
    from market.settings import TradeSettings

    settings = TradeSettings.read(environ)
    from market.trades import service

    return settings, service(settings)


SERVICES: dict[str, Callable[[Mapping[str, str]], Composed]] = {"candles": candles, "trades": trades}


def run(name: str, *, until_caught_up: bool) -> None:
    """Put the service together and run it. Raises `PipelineError`."""
    settings, service = SERVICES[name](os.environ)
    from pipeline.structured.run import Engine

    Engine(settings, service).run(until_caught_up=until_caught_up)


def main() -> int:
    """Run a service, and say in one line why if that could not go on; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--until-caught-up", action="store_true", help="end when all that the topics hold is in effect")
    arguments = parser.parse_args()
    logs.configure()
    try:
        run(arguments.service, until_caught_up=arguments.until_caught_up)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except PipelineError as error:
        structlog.get_logger().error("ended", reason=str(error))
        return 1
    structlog.get_logger().info("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
