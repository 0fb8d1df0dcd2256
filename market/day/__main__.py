"""A trading day on this machine, from before the opening until after the close: for cron, and without Airflow.

    0 9 * * 1-5  python -m market.day        # in the market's time zone; where there is no session it ends at once

Topics are made, the stream of candles is started, every topic is filled and fed until the close, and the stream is
stopped. Settings are environment variables: those of `python stream_analytics.py candles` and those of `python -m
market.feed` (docs/settings.md). SIGTERM and Ctrl-C end it in good order, and it may be started at any time, and again.
Exit codes: 0 the day is done, there is none today, or it was stopped; 1 a step failed, and a line says which, and how
to go on; 2 wrong settings.
"""

from __future__ import annotations

import argparse
import os
import sys

from pipeline.console.process import exit_code
from pipeline.runtime.stopping import StopSignal


def main() -> int:
    """The exit code."""
    argparse.ArgumentParser(
        prog="python -m market.day", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    return exit_code(_run)


def _run(stop: StopSignal) -> None:
    from market.day.settings import DaySettings

    settings = DaySettings.read(os.environ)
    from market.day.steps import run

    run(settings, os.environ, stop)


if __name__ == "__main__":
    sys.exit(main())
