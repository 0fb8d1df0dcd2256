"""What the Twelve Data API answers: one symbol's candles, several symbols' by symbol, or an error in one of its forms.

| answer                                                          | becomes                                       |
|-----------------------------------------------------------------|-----------------------------------------------|
| `{"meta": …, "values": [newest first], "status": "ok"}`         | candles of the one symbol                     |
| `{"AAPL": {…}, "MSFT": {…}}`, an error in the place of any      | candles of each, each error by the rules here |
| code 429, with whatever HTTP status                             | `OutOfCredits`                                |
| code 401, 403                                                   | `Halted`: the key                             |
| code 400 that says that there is no data then                   | no candles                                    |
| code 400, 404 otherwise                                         | an unknown symbol; `Halted` of several        |
| code 5xx, or anything that cannot be read                       | `Transient`                                   |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from market.feed.feed import FIELDS, Bar, Page
from pipeline.runtime.errors import Halted, Transient

WHO: Final = "the provider"
NO_DATA: Final = "no data is available"
LONGEST_MESSAGE: Final = 200

Part = Mapping[str, Any]


class OutOfCredits(Transient):
    """The plan's credits are used up. `of_the_day`: not only those of the minute."""

    def __init__(self, text: str, *, of_the_day: bool) -> None:
        super().__init__(text)
        self.of_the_day = of_the_day
        self.waits_for = WHO


def page(symbols: Sequence[str], status: int, body: bytes) -> Page:
    """What was answered when these symbols were asked for. Raises `OutOfCredits`, `Transient`, `Halted`."""
    answer = _object(status, body)
    if _is_error(answer):
        return Page({symbols[0]: []}, {}) if _no_data(answer) and len(symbols) == 1 else _failed(symbols, answer)
    if status >= 400:
        raise _away(f"status {status}")
    if "values" in answer:
        return Page({_meant(symbols, answer): _bars(answer)}, {})
    bars: dict[str, Sequence[Bar]] = {}
    unknown: dict[str, str] = {}
    given = {name.upper(): part for name, part in answer.items() if isinstance(part, dict)}
    if not given:
        raise _away("an answer without candles")
    for symbol in symbols:
        part = given.get(symbol.upper())
        if part is None:
            unknown[symbol] = "the answer leaves it out"
        elif not _is_error(part):
            bars[symbol] = _bars(part)
        elif _no_data(part):
            bars[symbol] = []
        elif _code(part) in (400, 404):
            unknown[symbol] = _message(part)
        elif _code(part) in (401, 403):
            unknown[symbol] = f"the plan does not hold it: {_message(part)}"
    return Page(bars, unknown)


def usage(status: int, body: bytes) -> Mapping[str, int]:
    """What of the plan is used, where that is told: the numbers of /api_usage by name. Raises as `page`."""
    answer = _object(status, body)
    if _is_error(answer):
        _failed((), answer)
    return {name: value for name, value in answer.items() if type(value) is int and value >= 0}


def _failed(symbols: Sequence[str], error: Part) -> Page:
    """An error that counts for the whole call."""
    code, message = _code(error), _message(error)
    if code == 429:
        raise OutOfCredits(f"out of credits: {message}", of_the_day="for the day" in message.lower())
    if code in (401, 403):
        raise _of_people(f"the provider refuses the key of TWELVE_DATA_KEY ({code})")
    if code in (400, 404) and len(symbols) == 1:
        return Page({}, {symbols[0]: message})
    if code >= 500 or code == 0:
        raise _away(f"error {code}")
    raise _of_people(f"the provider refuses the call ({code}): {message}")


def _object(status: int, body: bytes) -> Part:
    if status >= 500:
        raise _away(f"status {status}")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _away(f"status {status}, and nothing that could be read") from None


def _is_error(part: Part) -> bool:
    return part.get("status") == "error" or ("code" in part and "values" not in part)


def _no_data(error: Part) -> bool:
    return _code(error) in (400, 404) and NO_DATA in str(error.get("message")).lower()


def _code(error: Part) -> int:
    code = error.get("code")
    return code if type(code) is int else int(code) if isinstance(code, str) and code.isdecimal() else 0


def _message(error: Part) -> str:
    return " ".join(str(error.get("message", "no reason")).split())[:LONGEST_MESSAGE]


def _meant(symbols: Sequence[str], answer: Part) -> str:
    """Whose candles an answer in the form for one symbol holds."""
    meta = answer.get("meta")
    said = str(meta.get("symbol", "")) if isinstance(meta, dict) else ""
    found = [symbol for symbol in symbols if symbol.upper() == said.upper()]
    if not found and (len(symbols) > 1 or said):
        raise _away("an answer about another symbol")
    return (found or list(symbols))[0]


def _bars(part: Part) -> Sequence[Bar]:
    """Oldest first; a minute that is given twice is its first mention, the newest."""
    values = part.get("values")
    if not isinstance(values, list):
        raise _away("an answer without candles")
    found: dict[int, Bar] = {}
    for value in values:
        bar = _bar(value)
        found.setdefault(bar.at, bar)
    return [found[at] for at in sorted(found)]


def _bar(value: object) -> Bar:
    try:
        if not isinstance(value, dict):
            raise ValueError
        at = datetime.fromisoformat(value["datetime"])
        seconds = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _away("a candle without a time") from None
    fields = {name: value[name] for name in FIELDS if value.get(name) is not None}
    if not all(type(one) in (str, int, float) for one in fields.values()):
        raise _away("a candle whose figures are none")
    return Bar(seconds, fields)


def _away(why: str) -> Transient:
    error = Transient(f"the provider answers with {why}")
    error.waits_for = WHO
    return error


def _of_people(text: str) -> Halted:
    error = Halted(text)
    error.waits_for = WHO
    return error
