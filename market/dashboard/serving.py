"""The server under the dashboard: one process, few threads, until a stop is asked for."""

from __future__ import annotations

import signal
import threading
from functools import partial
from typing import Final

import structlog
from waitress.server import create_server

from market.dashboard.hours import Opening
from market.dashboard.sessions import around
from market.dashboard.settings import DashboardSettings
from market.dashboard.shelf import Shelf
from market.dashboard.source import Source
from market.dashboard.web import application
from market.symbols import topics_of
from pipeline.runtime.errors import Fatal
from pipeline.runtime.stopping import StopSignal

THREADS: Final = 8
CONNECTIONS: Final = 500
IDLE: Final = 60
"""Seconds after which a connection without a request is closed."""
LAST_LOOK: Final = 2.0
"""Seconds for which a look at the database is waited for at the end."""

log = structlog.get_logger()


def serve(settings: DashboardSettings, stop: StopSignal) -> None:
    """Until SIGTERM or Ctrl-C; in the main thread only. Raises `Fatal`."""
    source = Source(settings.mongo_uri.get_secret_value(), settings.mongo_dbname, settings.market_zone)
    shelf = Shelf(source, topics_of(settings.symbols))
    patience = settings.dashboard_stale_after
    opening = Opening(partial(around, settings.market_calendar), settings.market_clock, patience)
    served = application(settings, shelf, opening)
    address, port = settings.dashboard_address, settings.dashboard_port
    try:
        server = create_server(
            served,
            host=address,
            port=port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE,
            ident=None,
        )
    except (OSError, ValueError) as error:
        raise Fatal(f"cannot listen on {address}:{port} (DASHBOARD_ADDRESS, DASHBOARD_PORT): {error}") from None
    reader = threading.Thread(target=shelf.run, args=(stop,), name="shelf", daemon=True)
    reader.start()
    _end_with(stop)
    log.info("listening", url=f"http://{address}:{getattr(server, 'effective_port', port)}/")
    server.run()
    stop.set()
    server.close()
    reader.join(LAST_LOOK)


def _end_with(stop: StopSignal) -> None:
    """Signals end the server's loop, which finishes what was asked for."""

    def end(*_: object) -> None:
        stop.set()
        raise SystemExit

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
