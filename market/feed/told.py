"""What the feed tells of itself: in the log, to probes, and as metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from market.feed.feed import moment
from pipeline.observability.components import Mood, alarms, framed, section, table, tiles
from pipeline.observability.instruments import Instruments
from pipeline.observability.liveness import Liveness
from pipeline.observability.status import ServiceStatus

FILLING, FEEDING = "filling", "feeding"
"""States: it fetches what was missing when it began, and is not ready; it has that, and each minute the newest."""
CREDITS: Final = "credits of the plan"
MINUTE: Final = 60.0

log = structlog.get_logger()


class Status(ServiceStatus, frozen=True):
    """`candles`: sent since the process began. `newest`: candle of each symbol, UTC, ISO 8601.

    `unknown`: symbols that the provider does not know, and what it says. `limited`: calls that it refused because of
    its limits.
    """

    candles: int
    newest: dict[str, str]
    unknown: dict[str, str]
    limited: int


class Told(Liveness):
    """A feed as it is looked at. `clock`: the market's, seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(MINUTE, FEEDING, time.time)
        make = Instruments("feed", self.waits, time.time)
        self.registry = make.registry
        self._market = clock
        self._candles = make.counter("candles", "Candles that the topics have taken")
        self._limited = make.counter("limited", "Calls that the provider refused because of its limits")
        self._failed = make.counter("failed", "Calls that the provider did not answer, or not in a way to be read")
        self._calls = make.counter("calls", "Calls that the provider answered")
        self._newest = make.gauge("newest_seconds", "When the newest candle of a symbol began", "symbol")
        self._unknown_symbols = make.gauge("unknown_symbols", "Symbols that the provider does not know")
        self._symbols: dict[str, int] = {}
        self._unknown: Mapping[str, str] = {}
        self.sent = self.refused = 0

    def answered(self) -> None:
        """The provider has answered."""
        self._calls.inc()
        self.waits.settle()
        self.turned()

    def limited(self) -> None:
        """The provider has refused a call because of its limits."""
        self._limited.inc()
        self.refused += 1
        log.warning("limited", reason="the provider says that its limits are reached", refused=self.refused)

    def failed(self, reason: str, waits_for: str) -> None:
        """Something did not answer, and is tried again."""
        self._failed.inc()
        self.waits.say(reason, waits_for)
        self.turned()

    def waits_for_credits(self, seconds: float) -> None:
        """So many seconds are waited until the plan allows the next call."""
        self.waits.say(f"the plan allows the next call in {seconds:.0f} s", CREDITS)
        self.turned()

    def took(self, candles: int, newest: Mapping[str, int]) -> None:
        """The topics have taken so many candles; the newest of each symbol."""
        self.sent += candles
        self._candles.inc(candles)
        self._symbols |= newest
        for symbol, at in newest.items():
            self._newest.labels(symbol).set(at)
        self.progressed()
        self.turned()

    def not_known(self, unknown: Mapping[str, str]) -> None:
        """Symbols that the provider does not know, and what it says; each is said once."""
        for symbol in sorted(unknown.keys() - self._unknown.keys()):
            log.error("unknown symbol", symbol=symbol, reason=unknown[symbol], remedy="SYMBOLS")
        self._unknown = dict(unknown)
        self._unknown_symbols.set(len(unknown))

    def status(self) -> Status:
        """Everything at a glance."""
        newest = {symbol: f"{moment(at):%Y-%m-%dT%H:%M:%SZ}" for symbol, at in sorted(self._symbols.items())}
        base = (self._state, self.now(), self.alive(), self.ready(), self.waiting())
        return Status(*base, self.sent, newest, dict(self._unknown), self.refused)

    def page(self) -> bytes:
        """The same for people."""
        status = self.status()
        mood: Mood = "good" if status.ready.ok and not status.unknown else "bad"
        content = [*alarms(status), tiles(self._tiles(status))]
        content.append(section("Newest candles, UTC", table(("symbol", "began"), sorted(status.newest.items()))))
        if status.unknown:
            rows = sorted(status.unknown.items())
            content.append(section("Symbols that the provider does not know", table(("symbol", "it says"), rows)))
        return framed("feed", status, mood, self.now(), content)

    def _tiles(self, status: Status) -> Iterable[tuple[str, str]]:
        yield f"{status.candles:,}", "candles sent"
        yield f"{moment(self._market()):%H:%M}", "UTC at the market"
        yield f"{status.limited:,}", "calls refused by limits"
