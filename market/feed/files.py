"""Candles of a file: CSV with a line of headings, or JSON, one object a line.

| field                                  | what it holds                                                           |
|----------------------------------------|-------------------------------------------------------------------------|
| symbol                                 | as in SYMBOLS; may be left out where that is one                        |
| datetime                               | when the minute began; in MARKET_ZONE where it says no offset           |
| open, high, low, close, volume         | as in a record of a topic; the volume may be left out                   |

Other fields are passed over. Of a minute that is there twice the later line counts. A line that cannot be read is
named, and nothing of the file is sent.
"""

from __future__ import annotations

import csv
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from market.candle import read as read_candle
from market.feed.feed import FIELDS, Bar, Page
from market.symbols import topic_of
from pipeline.runtime.errors import Fatal, Rejected

MANY: Final = 1_000_000_000


class FileFeed:
    """A `Feed` of all that a file holds. Raises `Fatal` where it cannot be read, naming the line."""

    def __init__(self, path: Path, symbols: Sequence[str], zone: ZoneInfo) -> None:
        self._path, self._zone = path, zone
        self._names = {topic_of(symbol): symbol for symbol in symbols}
        found: dict[str, dict[int, Bar]] = {symbol: {} for symbol in symbols}
        self.corrected = 0
        for number, row in self._rows():
            symbol, bar = self._read(number, row)
            self.corrected += bar.at in found[symbol]
            found[symbol][bar.at] = bar
        self._bars = {symbol: [bars[at] for at in sorted(bars)] for symbol, bars in found.items()}

    @property
    def largest(self) -> int:
        """All."""
        return MANY

    @property
    def symbols(self) -> Sequence[str]:
        """Those that the file has candles of."""
        return [symbol for symbol, bars in self._bars.items() if bars]

    def at_once(self, count: int) -> int:
        """All of them."""
        return MANY

    def latest(self, symbols: Sequence[str], count: int) -> Page:
        """See `Feed`."""
        return Page({symbol: self._bars.get(symbol, [])[-count:] for symbol in symbols}, {})

    def history(self, symbols: Sequence[str], count: int, end: int) -> Page:
        """See `Feed`."""
        until = {symbol: self._bars.get(symbol, []) for symbol in symbols}
        upto = {symbol: bars[: bisect_right(bars, end, key=lambda bar: bar.at)] for symbol, bars in until.items()}
        return Page({symbol: bars[-count:] for symbol, bars in upto.items()}, {})

    def _rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        try:
            with self._path.open(newline="", encoding="utf-8-sig") as lines:
                first = lines.readline()
                lines.seek(0)
                if first.lstrip().startswith("{"):
                    yield from self._objects(lines)
                else:
                    rows = csv.DictReader(lines, strict=True)
                    for row in rows:
                        yield rows.line_num, {name.strip(): value for name, value in row.items() if name and value}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = error.strerror if isinstance(error, OSError) else "it is neither CSV nor JSON lines in UTF-8"
            raise Fatal(f"{self._path} cannot be read: {why}") from None

    def _objects(self, lines: Iterator[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_float=str)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise self._wrong(number, "no JSON object")
            yield number, row

    def _read(self, number: int, row: Mapping[str, Any]) -> tuple[str, Bar]:
        name = row.get("symbol")
        if name is None and len(self._names) == 1:
            name = next(iter(self._names.values()))
        if not isinstance(name, str) or topic_of(name) not in self._names:
            raise self._wrong(number, "no symbol" if name is None else f"{name!r} is none of SYMBOLS")
        fields = {field: row[field] for field in FIELDS if row.get(field) is not None}
        value = json.dumps({"datetime": row.get("datetime"), **fields}).encode()
        try:
            at = read_candle(value, topic_of(name), 0, self._zone).at
        except Rejected as error:
            raise self._wrong(number, str(error)) from None
        return self._names[topic_of(name)], Bar(at, fields)

    def _wrong(self, number: int, why: str) -> Fatal:
        return Fatal(f"{self._path}, line {number}: {why}")
