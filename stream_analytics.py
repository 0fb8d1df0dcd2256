"""The analytics: each service reads topics of Kafka, day and night, or until it has caught up.

Run it with `python stream_analytics.py SERVICE`, or with spark-submit. SIGTERM and Ctrl-C finish the batch in flight.
Exit codes: 0 stopped, or caught up; 1 could not go on; 2 wrong settings, which are checked before anything is loaded.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from pipeline.console.process import exit_code

if TYPE_CHECKING:
    from pipeline.runtime.stopping import StopSignal
    from pipeline.settings.analytics import AnalyticsSettings
    from pipeline.structured.service import Service

    Composed = tuple[AnalyticsSettings, Service]


def candles(environ: Mapping[str, str]) -> Composed:
    """Topics of candles into MongoDB, with indicators."""
    from market.settings import CandleSettings

    settings = CandleSettings.read(environ)
    from market.candles import service

    return settings, service(settings)


def trades(environ: Mapping[str, str], *, console: bool = False) -> Composed:
    """Trades into sliding windows of average prices, to a topic, and to the console if wanted."""
    from market.settings import TradeSettings

    settings = TradeSettings.read(environ)
    from market.trades import service

    return settings, service(console=console)


def page_views(environ: Mapping[str, str]) -> Composed:
    """Page views of files and a topic into clean events and windows with unique users."""
    from page_views.settings import ViewSettings

    settings = ViewSettings.read(environ)
    from page_views.service import service

    return settings, service(settings)


def loan_scoring(environ: Mapping[str, str]) -> Composed:
    """Loan applications into a table, a row with its score for each."""
    from loan_scoring.settings import LoanSettings

    settings = LoanSettings.read(environ)
    from loan_scoring.service import service

    return settings, service(settings)


def channel_stats(environ: Mapping[str, str]) -> Composed:
    """Harvests of channels into the latest count per day and month: topics in Avro, and tables."""
    from channel_stats.settings import ChannelSettings

    settings = ChannelSettings.read(environ)
    from channel_stats.stats import service
    from migrations.yt import prepare

    return settings, service(settings, partial(prepare, settings.mysql))


def run(settings: AnalyticsSettings, service: Service, stop: StopSignal, *, until_caught_up: bool) -> None:
    """Raises `PipelineError`."""
    from pipeline.structured.run import Engine

    Engine(settings, service).run(stop, until_caught_up=until_caught_up)


SERVICES: dict[str, Callable[..., Composed]] = {
    "candles": candles,
    "loan-scoring": loan_scoring,
    "channel-stats": channel_stats,
    "page-views": page_views,
    "trades": trades,
}


def main() -> int:
    """Put a service together, run it, and say in one line why if that could not go on; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--until-caught-up", action="store_true", help="end when all that the topics hold is in effect")
    parser.add_argument("--console", action="store_true", help="trades: show each window as it closes, too")
    arguments = parser.parse_args()
    if arguments.console and arguments.service != "trades":
        parser.error("--console is for trades")
    compose = partial(SERVICES[arguments.service], os.environ, **({"console": True} if arguments.console else {}))
    return exit_code(lambda stop: run(*compose(), stop, until_caught_up=arguments.until_caught_up))


if __name__ == "__main__":
    sys.exit(main())
