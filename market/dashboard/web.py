"""The page, its scripts, what they ask for, and the probes, as an application of WSGI.

| asked      | 200                                            | 503                                         |
|------------|------------------------------------------------|---------------------------------------------|
| `/healthz` | the thread that reads the database gets on     | it does not: start the process anew         |
| `/readyz`  | the database has answered since this began     | it has not yet                              |

A dashboard whose database is away stays ready: it shows what it knows, and says so.
"""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import flask
import msgspec

from market.dashboard import library
from market.dashboard.answers import MOST, WrongQuestion, answer, question, symbols_of
from market.dashboard.hours import Opening
from market.dashboard.settings import DashboardSettings
from market.dashboard.shelf import Shelf
from market.dashboard.trends import USUAL, trends
from market.symbols import topic_of

LONGEST: Final = 64 * 1024
"""Bytes of a request."""
LIBRARY: Final = "/library/lightweight-charts.js"
A_YEAR: Final = 365 * 86_400
"""Seconds for which a browser may keep a script: another one has another address."""
ASSETS: Final = Path(__file__).parent / "assets"

FILLS: Final = "python -m market.feed live"
COMPUTES: Final = "python stream_analytics.py candles"
SHOWS: Final = "make demo SERVICE=market"


def application(settings: DashboardSettings, shelf: Shelf, opening: Opening) -> flask.Flask:
    """All of it. Raises `Fatal` where the charts' library is missing, or there is no such exchange."""
    script = library.script()
    opening.hours()
    server = flask.Flask(__name__, static_folder=ASSETS.name, static_url_path="/assets")
    server.config.update(MAX_CONTENT_LENGTH=LONGEST, SEND_FILE_MAX_AGE_DEFAULT=A_YEAR)
    names = {topic_of(symbol): symbol for symbol in settings.symbols}
    page = {
        "asset": partial(_asset, {file.name: _mark(file.read_bytes()) for file in ASSETS.iterdir()}),
        "scripts": sorted(file.name for file in ASSETS.glob("*.js")),
        "library": f"{LIBRARY}?{_mark(script)}",
    }
    headers = _headers()

    @server.after_request
    def guard(response: flask.Response) -> flask.Response:
        response.headers.update(headers)
        return response

    @server.get("/")
    def index() -> flask.Response:
        known = {
            **_settings(settings),
            "symbols": msgspec.to_builtins(symbols_of(shelf, names)),
            "trends": msgspec.to_builtins(trends(shelf.figures or USUAL)),
        }
        response = flask.Response(flask.render_template("page.html", settings=known, **page))
        response.cache_control.no_store = True
        return response

    @server.get(LIBRARY)
    def charts() -> flask.Response:
        response = flask.Response(script, content_type="text/javascript; charset=utf-8")
        response.cache_control.max_age = A_YEAR
        return response

    @server.get("/candles")
    def candles() -> flask.Response:
        try:
            asked = question(flask.request.args)
        except WrongQuestion as error:
            return flask.Response(f"{error}\n", 400, content_type="text/plain")
        said = answer(shelf, opening.hours(), names, asked, time.time())
        response = flask.Response(said, content_type="application/json")
        response.cache_control.no_store = True
        return response

    @server.get("/healthz")
    def alive() -> flask.Response:
        return _probe(shelf.alive, "reading the database")

    @server.get("/readyz")
    def ready() -> flask.Response:
        return _probe(shelf.ready, f"the database: {shelf.standing.state} {shelf.standing.why}".strip())

    return server


def _settings(settings: DashboardSettings) -> dict[str, Any]:
    """What scripts have to know."""
    return {
        "zone": settings.market_zone.key,
        "base": settings.mongo_dbname,
        "most": MOST,
        "staleAfter": settings.dashboard_stale_after,
        "fills": FILLS,
        "computes": COMPUTES,
        "shows": SHOWS,
    }


def _mark(content: bytes) -> str:
    return sha256(content).hexdigest()[:12]


def _asset(marks: dict[str, str], name: str) -> str:
    """Its address, which is another one where its content is."""
    return f"/assets/{name}?{marks[name]}"


def _headers() -> dict[str, str]:
    """Everything comes from this server; within the page stands no script, and no style but the charts' own."""
    sources = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": " ".join(("'self'", *(f"'sha256-{one}'" for one in library.styles()))),
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in sources.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _probe(ok: bool, why: str) -> flask.Response:
    return flask.Response(f"{'ok' if ok else 'not ok'}: {why}\n", 200 if ok else 503, content_type="text/plain")
