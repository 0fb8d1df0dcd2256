"""A stand-in of the Twelve Data API on this machine: its answers, its limits, its errors, and a clock that can be fast.

    with standing_in(Provider(("AAPL", "MSFT"), sessions, Clock())) as url: ...

Candles walk at random, the same for the same seed. The newest one is unfinished, as the real one's is. What goes wrong
is put into `troubles`, each for one call.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from math import ceil
from random import Random
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from market.calendar import Session
from market.clock import Clock
from producers.candles import Disorder, candles

KEY: Final = "stand-in"
LARGEST: Final = 5_000
USUAL: Final = 30
"""Candles where no number is asked for."""
TIME: Final = "%Y-%m-%d %H:%M:%S"
NO_DATA: Final = "No data is available on the specified dates. Try setting different start/end dates."
UNKNOWN: Final = "**symbol** or **figi** parameter is missing or invalid. Please provide a valid symbol"
WRONG_KEY: Final = "**apikey** parameter is incorrect or not specified. You can get your free API key instantly"

Answer = dict[str, Any]


class Trouble(NamedTuple):
    """What becomes of one call. `slow`: seconds before it is answered. `cut`: the connection ends in mid-answer.

    `status`, `body`: instead of the answer; `partial`: the last so many symbols are refused, in an answer for several.
    """

    status: int = 200
    body: bytes | None = None
    slow: float = 0.0
    cut: bool = False
    partial: int = 0


MISHAPS: Final = (
    Trouble(502, b"<html><body>Bad gateway</body></html>"),
    Trouble(500, b'{"code": 500, "message": "Internal server error", "status": "error"}'),
    Trouble(200, b'{"meta": {"symbol": "AAPL"}, "values": [{"datetime": "2023-08-'),
    Trouble(cut=True),
    Trouble(slow=0.2),
)


class Asked(NamedTuple):
    """A call that came in. `at`: by the stand-in's clock. `status`: what the answer says, in whichever form."""

    at: float
    path: str
    symbols: tuple[str, ...]
    size: int
    cost: int
    status: int


@dataclass
class Provider:
    """`sessions`: when there are candles. `limit_status`: HTTP's, of refusals that say 429; the real one has both.

    `candles_per_credit`: what outputs weigh. `mishaps`: the share of calls to which something happens by chance.
    """

    symbols: Sequence[str]
    sessions: Sequence[Session]
    clock: Clock
    per_minute: int = 8
    per_day: int = 800
    candles_per_credit: int = LARGEST
    key: str = KEY
    seed: int = 1
    limit_status: int = 429
    mishaps: float = 0.0
    troubles: deque[Trouble] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    failed: int = 0
    """Calls to which something happened by chance."""
    _dice: Random = field(default_factory=lambda: Random("mishaps"))
    _used: Counter[tuple[str, int]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def limited(self) -> int:
        """Calls that were refused because of the limits."""
        return sum(one.status == 429 for one in self.asked)

    def candles(self, symbol: str) -> Sequence[tuple[int, Mapping[str, str]]]:
        """All of a symbol, oldest first: when the minute began, seconds since the epoch, and what it ends as."""
        return _series(self.seed, symbol, tuple(self.sessions))

    def answer(self, path: str, asked: Mapping[str, str], key: str) -> tuple[int, Answer, Mapping[str, str]]:
        """HTTP status, body and headers."""
        with self._lock:
            now = self.clock.now()
            if key != self.key:
                return 401, _error(401, WRONG_KEY), {}
            names = tuple(name for name in asked.get("symbol", "").split(",") if name) if path == "/time_series" else ()
            count = int(asked.get("outputsize", USUAL))
            cost = max(1, len(names) * ceil(count / self.candles_per_credit))
            status, body = self._within_limits(now, cost) or self._found(path, names, count, asked, now)
            said = body.get("code", status) if isinstance(body.get("code"), int) else status
            self.asked.append(Asked(now, path, names, count, cost, said))
            used = self._used["minute", int(now // 60)]
            left = max(0, self.per_minute - used)
            return status, body, {"api-credits-used": str(used), "api-credits-left": str(left)}

    def trouble(self) -> Trouble:
        """What becomes of the next call."""
        with self._lock:
            if self.troubles:
                return self.troubles.popleft()
            happens = self._dice.random() < self.mishaps
            self.failed += happens
            return self._dice.choice(MISHAPS) if happens else Trouble()

    def _within_limits(self, now: float, cost: int) -> tuple[int, Answer] | None:
        """A refusal, which counts as well; None where the plan allows the call."""
        minute, day = ("minute", int(now // 60)), ("day", int(now // 86_400))
        self._used[minute] += cost
        self._used[day] += cost
        for of, span, limit in (
            (day, "for the day", self.per_day),
            (minute, "for the current minute", self.per_minute),
        ):
            if limit and self._used[of] > limit:
                used = f"{self._used[of]} API credits were used, with the current limit being {limit}"
                return self.limit_status, _error(429, f"You have run out of API credits {span}. {used}.")
        return None

    def _found(
        self, path: str, names: Sequence[str], count: int, asked: Mapping[str, str], now: float
    ) -> tuple[int, Answer]:
        if path == "/api_usage":
            return 200, self._usage(now)
        if path != "/time_series" or asked.get("interval") != "1min" or asked.get("timezone") != "UTC" or not names:
            return 400, _error(400, "this stand-in knows candles of one minute in UTC, and nothing else")
        if not 1 <= count <= LARGEST:
            return 400, _error(400, "**outputsize** parameter should be an integer from 1 to 5000.")
        parts = {name: self._series(name, count, asked.get("end_date"), now) for name in names}
        if len(parts) > 1:
            return 200, parts
        (part,) = parts.values()
        return part.get("code", 200), part

    def _series(self, symbol: str, count: int, end: str | None, now: float) -> Answer:
        if symbol not in self.symbols:
            return _error(404, UNKNOWN)
        last = datetime.strptime(end, TIME).replace(tzinfo=UTC).timestamp() if end else now
        begun = [(at, fields) for at, fields in self.candles(symbol) if at <= min(now - 1, last)][-count:]
        if not begun:
            return _error(400, NO_DATA)
        if begun[-1][0] > now - 60:
            at, fields = begun[-1]
            begun[-1] = (at, {**dict.fromkeys(("open", "high", "low", "close"), fields["open"]), "volume": "1"})
        values = [{"datetime": _written(at), **fields} for at, fields in reversed(begun)]
        meta = {"symbol": symbol, "interval": "1min", "currency": "USD", "exchange_timezone": "America/New_York"}
        return {"meta": meta, "values": values, "status": "ok"}

    def _usage(self, now: float) -> Answer:
        return {
            "timestamp": _written(now),
            "current_usage": self._used["minute", int(now // 60)],
            "plan_limit": self.per_minute,
            "daily_usage": self._used["day", int(now // 86_400)],
            "plan_daily_limit": self.per_day,
            "plan_category": "basic",
        }


@contextmanager
def standing_in(provider: Provider, port: int = 0) -> Iterator[str]:
    """Its address, while the context lasts. `port` 0: any."""
    server = _Server(provider, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, provider: Provider, port: int) -> None:
        self.provider = provider
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer waits 40 ms for the client to acknowledge its headers

    def do_GET(self) -> None:
        provider = self.server.provider
        trouble = provider.trouble()
        where = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(where.query).items()}
        key = self.headers.get("Authorization", "").removeprefix("apikey ") or asked.get("apikey", "")
        time.sleep(trouble.slow)
        if trouble.body is not None:
            self._send(trouble.status, trouble.body, {}, trouble.cut)
            return
        status, answer, headers = provider.answer(where.path, asked, key)
        for name in list(answer)[len(answer) - trouble.partial :] if trouble.partial else ():
            answer[name] = _error(429, "You have run out of API credits for the current minute.")
        self._send(status, json.dumps(answer).encode(), headers, trouble.cut)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], cut: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """By the stand-in's clock."""
        return formatdate(self.server.provider.clock.now() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Calls are kept in `asked`."""


@lru_cache(maxsize=1_000)
def _series(seed: int, symbol: str, sessions: tuple[Session, ...]) -> Sequence[tuple[int, Mapping[str, str]]]:
    minutes = max(len(_minutes(session)) for session in sessions)
    made = candles(seed, [symbol], [session.day for session in sessions], minutes, Disorder(shuffled=0))
    return [
        (at, {name: value for name, value in json.loads(record.value or b"").items() if name != "datetime"})
        for session in sessions
        for at, record in zip(_minutes(session), list(islice(made, minutes)), strict=False)
    ]


def _minutes(session: Session) -> range:
    return range(int(session.opens.timestamp()), int(session.closes.timestamp()), 60)


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime(TIME)


def _error(code: int, message: str) -> Answer:
    return {"code": code, "message": message, "status": "error"}
