"""The Twelve Data API: https://twelvedata.com/docs.

The key goes in a header, so that no address holds it; where an answer repeats it, it is cut out before anything reads
that. The newest candle may be unfinished: one is taken if its minute was over when it was asked for, by the provider's
clock and by ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from math import ceil
from typing import Final, NamedTuple, TypeVar

import httpx
import structlog

from market.feed.answers import WHO, OutOfCredits, page, usage
from market.feed.credits import NEVER, Credits
from market.feed.feed import MINUTE, Page, moment
from market.feed.settings import LONGEST_PAGE, ProviderSettings
from market.feed.told import Told
from market.feed.waiting import Pauses
from pipeline.runtime.errors import Transient
from pipeline.runtime.retries import backoff

SPARE: Final = 2
"""Candles asked for beyond those that are wanted: the one that is unfinished, and the one that is not final yet."""
MOST_SYMBOLS: Final = 120
"""Of one call."""
MOST_CANDLES: Final = 100_000
"""Of one answer, about 13 MB."""
LONGEST_ANSWER: Final = 30.0
"""Seconds from the question to the last byte."""
MOST_BYTES: Final = 64 << 20
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries."""
SERIES, USAGE = "/time_series", "/api_usage"
UTC_TIME: Final = "%Y-%m-%d %H:%M:%S"

log = structlog.get_logger()

T = TypeVar("T")


class Answer(NamedTuple):
    """`asked`: no later than when the provider looked, by its clock or ours; `left`: credits left of the minute."""

    status: int
    body: bytes
    asked: float
    left: int | None


class TwelveData:
    """A `Feed`. `delay`: seconds after a minute until its candle is final. `patience`: seconds to go on trying."""

    def __init__(
        self, settings: ProviderSettings, delay: float, patience: float, pauses: Pauses, credits: Credits, told: Told
    ) -> None:
        self._key = settings.twelve_data_key.get_secret_value()
        self._per_credit = settings.candles_per_credit
        self._delay, self._patience = delay, patience
        self._pauses, self._credits, self._told = pauses, credits, told
        self._http = httpx.Client(
            base_url=settings.twelve_data_url,
            headers={"Authorization": f"apikey {self._key}", "Accept": "application/json"},
            timeout=httpx.Timeout(LONGEST_ANSWER, connect=5.0),
        )

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    @property
    def largest(self) -> int:
        """As the provider gives at once, and a minute's credits buy."""
        return min(LONGEST_PAGE, self._credits.per_minute * self._per_credit) - SPARE

    def at_once(self, count: int) -> int:
        """As the credits of a minute buy, and an answer can carry."""
        carried = MOST_CANDLES >> count.bit_length()
        return max(1, min(MOST_SYMBOLS, carried, self._credits.per_minute // self._cost(count)))

    def latest(self, symbols: Sequence[str], count: int) -> Page:
        """See `Feed`. Raises `Transient`, `Halted`, `Stopped`."""
        return self._series(symbols, count, {})

    def history(self, symbols: Sequence[str], count: int, end: int) -> Page:
        """See `Feed`. Raises `Transient`, `Halted`, `Stopped`."""
        return self._series(symbols, count, {"end_date": moment(end).strftime(UTC_TIME)})

    def ask_usage(self) -> None:
        """Learn what of the plan is used already, and whether it allows less than the settings say.

        Raises `Transient`, `Halted`, `Stopped`.
        """
        _, told = self._answered(USAGE, {}, 1, usage)
        ours = (self._credits.per_minute, self._credits.per_day)
        self._credits.used(told.get("current_usage", 1) - 1, told.get("daily_usage", 0))
        self._credits.per_minute = min(ours[0], told.get("plan_limit", ours[0])) or ours[0]
        if daily := told.get("plan_daily_limit"):
            self._credits.per_day = min(ours[1] or daily, daily)
        if ours != (allowed := (self._credits.per_minute, self._credits.per_day)):
            log.warning("the plan allows less than the settings", per_minute=allowed[0], per_day=allowed[1])

    def _cost(self, count: int) -> int:
        return ceil((count + SPARE) / self._per_credit)

    def _series(self, symbols: Sequence[str], count: int, span: Mapping[str, str]) -> Page:
        asked = {"symbol": ",".join(symbols), "interval": "1min", "timezone": "UTC", "outputsize": str(count + SPARE)}
        answer, found = self._answered(
            SERIES, {**asked, **span}, len(symbols) * self._cost(count), partial(page, symbols)
        )
        if len(found.bars) + len(found.unknown) < len(symbols):
            self._credits.exhausted()  # what comes after the credits' end is left out of an answer
        finished = answer.asked - MINUTE - self._delay
        bars = {symbol: [bar for bar in bars if bar.at <= finished][-count:] for symbol, bars in found.bars.items()}
        return Page(bars, found.unknown)

    def _answered(
        self, path: str, asked: Mapping[str, str], cost: int, read: Callable[[int, bytes], T]
    ) -> tuple[Answer, T]:
        """An answer, and what it says; asked for again while patience lasts. Limits are waited out however long."""
        clock = self._pauses.clock
        deadline, attempt = clock.now() + self._patience, 0
        while True:
            deadline += self._wait_for_credits(cost)
            try:
                answer = self._get(path, asked, cost)
                found = read(answer.status, answer.body)
            except OutOfCredits as error:
                self._told.limited()
                if error.of_the_day:
                    self._credits.day_is_over()
                    raise
                self._credits.exhausted()
            except Transient as error:
                pause = backoff(attempt, FIRST_PAUSE, LONGEST_PAUSE)
                self._told.failed(str(error), WHO)
                if clock.now() + pause > deadline:
                    raise
                attempt += 1
                self._pauses.pause(pause)
            else:
                self._told.answered()
                return answer, found

    def _wait_for_credits(self, cost: int) -> float:
        """Seconds that it took. Raises `OutOfCredits` where the day has none left."""
        began = self._pauses.clock.now()
        while (wait := self._credits.wait(cost)) > 0:
            if wait == NEVER:
                until = moment(self._credits.midnight())
                raise OutOfCredits(f"the day's credits are used up until {until:%H:%M} UTC", of_the_day=True)
            self._told.waits_for_credits(wait)
            self._pauses.pause(wait)
        return self._pauses.clock.now() - began

    def _get(self, path: str, asked: Mapping[str, str], cost: int) -> Answer:
        """Raises `Transient`, whose text holds no address."""
        left, began = None, self._pauses.clock.now()
        try:
            with self._http.stream("GET", path, params=dict(asked)) as response:
                body = self._body(response)
                left = _number(response.headers.get("api-credits-left"))
                return Answer(response.status_code, body, self._asked(response, began), left)
        except httpx.HTTPError as error:
            away = Transient(f"the provider does not answer: {type(error).__name__}")
            away.waits_for = WHO
            raise away from None
        finally:
            self._credits.spent(cost, left)

    def _body(self, response: httpx.Response) -> bytes:
        deadline, body = time.monotonic() + LONGEST_ANSWER, bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MOST_BYTES or time.monotonic() > deadline:
                raise httpx.ReadTimeout("too long")
        return bytes(body).replace(self._key.encode(), b"(key)")

    def _asked(self, response: httpx.Response, began: float) -> float:
        """When it was asked, by whichever clock is behind: a slow answer tells of the time before it."""
        try:
            date = parsedate_to_datetime(response.headers["date"]).timestamp()
        except (KeyError, ValueError):
            return began
        return min(began, date - (self._pauses.clock.now() - began))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
