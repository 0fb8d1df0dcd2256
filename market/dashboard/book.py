"""The candles of one symbol that are shown, in columns: what came, and what has changed since a revision."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from math import floor, isnan, log10, nan
from typing import Any, Final

import msgspec

from market.candle_rows import VERSION
from market.documents import EXACT_VOLUME, PRICES, Document

KEPT_ANSWERS: Final = 8
"""Answers of one revision, each to another question."""
PRICE_DECIMALS: Final = 10
"""Decimals of a price that is told, more than any exchange has."""
FINER: Final = 6
"""Decimals of other figures, counted from the first digit of the price: of 178.12 they are told to 0.0001."""

_NO_FIGURES: Final = frozenset({"_id", VERSION, EXACT_VOLUME})
_EPOCH: Final = datetime(1970, 1, 1)
_MINUTE: Final = timedelta(minutes=1)
_EXACT: Final = 2**53
_books = count(1)


class Book:
    """Candles in order of time. `first`: nothing before it is shown. Not for several threads at once.

    `revision` grows with every change; a row's own is the one that it was changed at last. `number`: no other book of
    this process has it.
    """

    def __init__(self, first: datetime) -> None:
        self.first = first
        self.number, self.revision = next(_books), 0
        self.newest_version = 0
        self.minutes, self._revisions, self._versions = array("q"), array("q"), array("q")
        self._columns: dict[str, array[float]] = {}
        self._answers: dict[tuple[int, tuple[str, ...]], bytes] = {}

    @property
    def figures(self) -> list[str]:
        """The names of all figures, prices aside."""
        return [name for name in self._columns if name not in PRICES]

    @property
    def versions(self) -> dict[datetime, int]:
        """Of every document, by `_id`."""
        return {moment_of(at): version for at, version in zip(self.minutes, self._versions, strict=True)}

    def take(self, documents: Iterable[Document]) -> bool:
        """Documents that are new or may have changed; whether one says anything new."""
        revision, changed = self.revision + 1, False
        for one in documents:
            self.newest_version = max(self.newest_version, one.get(VERSION, 0))
            if self._put(minute_of(one["_id"]), one, revision):
                changed = True
        if changed:
            self.revision = revision
            self._answers.clear()
        return changed

    def since(self, revision: int, fields: tuple[str, ...]) -> bytes:
        """The rows that have changed since, and those of `fields` that there are, as JSON.

        `minutes`: since the epoch, each less the one before it.
        """
        key = revision, fields
        if key not in self._answers:
            while len(self._answers) >= KEPT_ANSWERS:
                self._answers.pop(next(iter(self._answers)), None)
            self._answers[key] = self._answer(revision, fields)
        return self._answers[key]

    def _answer(self, revision: int, fields: tuple[str, ...]) -> bytes:
        rows = [row for row, own in enumerate(self._revisions) if own > revision]
        minutes = [self.minutes[row] for row in rows]
        answer: dict[str, Any] = {name: self._shown(name, rows) for name in fields if name in self._columns}
        answer["minutes"] = [at - before for before, at in zip([0, *minutes], minutes, strict=False)]
        return msgspec.json.encode(answer)

    def _shown(self, name: str, rows: Sequence[int]) -> list[float | None]:
        column = self._columns[name]
        decimals = PRICE_DECIMALS if name in PRICES else self._decimals()
        return [None if isnan(value := column[row]) else _rounded(value, decimals) for row in rows]

    def _decimals(self) -> int:
        close = abs(self._columns["close"][-1])
        return max(2, FINER - floor(log10(close))) if close else FINER

    def _put(self, at: int, one: Mapping[str, Any], revision: int) -> bool:
        row = bisect_left(self.minutes, at)
        if new := row == len(self.minutes) or self.minutes[row] != at:
            self.minutes.insert(row, at)
            for numbers in (self._revisions, self._versions):
                numbers.insert(row, 0)
            for column in self._columns.values():
                column.insert(row, nan)
        self._versions[row] = one.get(VERSION, 0)
        changed = self._write(row, one)
        if new or changed:
            self._revisions[row] = revision
        return new or changed

    def _write(self, row: int, one: Mapping[str, Any]) -> bool:
        found = {name: value for name, value in one.items() if name not in _NO_FIGURES and _is_figure(value)}
        for name in found.keys() - self._columns.keys():
            self._columns[name] = array("d", [nan]) * len(self.minutes)
        changed = False
        for name, column in self._columns.items():
            value = found.get(name)
            number = nan if value is None else float(value)
            if column[row] != number and not (isnan(number) and isnan(column[row])):
                column[row] = number
                changed = True
        return changed


def minute_of(moment: datetime) -> int:
    """Minutes since the epoch; `moment`: naive, UTC."""
    return (moment - _EPOCH) // _MINUTE


def moment_of(minute: int) -> datetime:
    """The moment, naive, UTC."""
    return _EPOCH + minute * _MINUTE


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _rounded(value: float, decimals: int) -> float:
    found = round(value, decimals)
    return int(found) if found.is_integer() and abs(found) < _EXACT else found
