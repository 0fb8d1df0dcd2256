"""Candles that cannot be read, and candles written in an unusual way that is right all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

Fields = dict[str, Any]

TEXT_BYTES: Final = 1_000_000
"""Nearly the largest record that brokers take as they are set up."""


class Broken(NamedTuple):
    """`make`: a value that is no candle, out of the fields of one."""

    name: str
    make: Callable[[Fields, Random], bytes | None]


def _changed(**changes: object) -> Callable[[Fields, Random], bytes]:
    return lambda fields, _: json.dumps({**fields, **changes}).encode()


def _without(name: str) -> Callable[[Fields, Random], bytes]:
    return lambda fields, _: json.dumps({key: value for key, value in fields.items() if key != name}).encode()


def _bare(name: str, value: str) -> Callable[[Fields, Random], bytes]:
    """A number that JSON's own grammar, or a double, does not hold."""
    return lambda fields, _: json.dumps({**fields, name: "@"}).replace('"@"', value).encode()


def _shifted(**names: float) -> Callable[[Fields, Random], bytes]:
    """Prices moved so far that they contradict the others."""
    return lambda fields, _: json.dumps(
        {**fields, **{name: f"{float(fields[name]) * factor:.2f}" for name, factor in names.items()}}
    ).encode()


def _time(change: Callable[[str], str]) -> Callable[[Fields, Random], bytes]:
    return lambda fields, _: json.dumps({**fields, "datetime": change(fields["datetime"])}).encode()


BROKEN: Final = (
    Broken("no value", lambda *_: None),
    Broken("empty", lambda *_: b""),
    Broken("not JSON", lambda fields, _: json.dumps(fields).encode()[:-7]),
    Broken("CSV", lambda fields, _: ",".join(fields.values()).encode()),
    Broken("not UTF-8", lambda fields, _: json.dumps(fields).encode().replace(b"open", b"\xff\xfe\x00")),
    Broken("a list", lambda fields, _: json.dumps(list(fields.values())).encode()),
    Broken("a long text", lambda _, random: random.choice(("x", "{", "\u00e9")).encode() * (TEXT_BYTES // 2)),
    Broken("close NaN", _bare("close", "NaN")),
    Broken("close text NaN", _changed(close="NaN")),
    Broken("open infinite", _bare("open", "Infinity")),
    Broken("high 1e400", _changed(high="1e400")),
    Broken("low 1e400", _bare("low", "1e400")),
    Broken("close empty", _changed(close="")),
    Broken("close null", _changed(close=None)),
    Broken("close true", _changed(close=True)),
    Broken("no open", _without("open")),
    Broken("low negative", _changed(low="-1.00")),
    Broken("volume negative", _changed(volume="-1")),
    Broken("volume of words", _changed(volume="many")),
    Broken("high below low", lambda fields, _: json.dumps({**fields, "high": fields["low"], "low": "1e9"}).encode()),
    Broken("high below close", _shifted(high=0.5)),
    Broken("low above open", _shifted(low=1.5)),
    Broken("no datetime", _without("datetime")),
    Broken("datetime a number", _changed(datetime=1692993540)),
    Broken("another grammar", _time(lambda text: datetime.fromisoformat(text).strftime("%d/%m/%Y %H:%M"))),
    Broken("seconds", _time(lambda text: text[:-2] + "30")),
    Broken("a date alone", _time(lambda text: text[:10])),
    Broken("24:00", _time(lambda text: f"{text[:10]} 24:00:00")),
    Broken("an hour that the clocks leap over", _changed(datetime="2023-03-12 02:30:00")),
    Broken("year 9999", _changed(datetime="9999-12-31 23:59:00")),
    Broken("another symbol", _changed(symbol="NOBODYS")),
)


def _as_numbers(fields: Fields, _: str) -> Fields:
    return {name: value if name == "datetime" else float(value) for name, value in fields.items()}


def _with_offset(fields: Fields, _: str) -> Fields:
    there = datetime.fromisoformat(fields["datetime"]).replace(tzinfo=ZoneInfo("America/New_York"))
    return {**fields, "datetime": there.isoformat()}


def _in_utc(fields: Fields, _: str) -> Fields:
    there = datetime.fromisoformat(fields["datetime"]).replace(tzinfo=ZoneInfo("America/New_York"))
    return {**fields, "datetime": there.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _with_figures(fields: Fields, _: str) -> Fields:
    """What the old producer computed, and got wrong."""
    return {**fields, "ema_12": "0.0", "macd": "NaN", "signal": None, "support": "999999", "resistance": 0}


def _without_volume(fields: Fields, _: str) -> Fields:
    return {name: value for name, value in fields.items() if name != "volume"}


def _with_part_of_a_share(fields: Fields, _: str) -> Fields:
    return {**fields, "volume": f"{fields['volume']}.5"}


def _with_symbol(fields: Fields, symbol: str) -> Fields:
    return {"symbol": symbol, **fields}


UNUSUAL: Final = (
    _as_numbers,
    _with_offset,
    _in_utc,
    _with_figures,
    _without_volume,
    _with_part_of_a_share,
    _with_symbol,
)
"""All are the same candle, but for its volume; where the market is in New York."""
