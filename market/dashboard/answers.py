"""What the page asks for again and again, as JSON: `/candles?symbols=aapl,msft&fields=ema_12&since=aapl:…`.

| of the answer | meaning                                                                                     |
|---------------|---------------------------------------------------------------------------------------------|
| `clock`       | this machine's, seconds since the epoch                                                     |
| `market`      | the time there, whether it is open, and up to when candles are due (hours.py)               |
| `database`    | `state` (starting, answers, away, refuses), `since` when, and `why`                         |
| `symbols`     | all that may be chosen: `key`, which is the topic, and `name`                               |
| `trends`      | what may be drawn over the prices: `value`, `label`, and its `fields`                       |
| `charts`      | of each symbol that was asked for: `place` (for the next `since`), `whole`: it replaces     |
|               | what is known, `rows`: minutes and fields, `heard`: when it changed last, or null;          |
|               | null where there are no candles. Absent while it is not known whether there are.            |
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from market.dashboard.book import Book
from market.dashboard.hours import Hours
from market.dashboard.shelf import Shelf, Shown, Standing
from market.dashboard.trends import USUAL, Trend, trends

MOST: Final = 24
"""Symbols of one question."""
ALWAYS: Final = ("open", "high", "low", "close", "volume")

_FIELD: Final = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
_PROCESS: Final = secrets.token_hex(4)
"""So that nobody is given what is missing since a revision of another process."""


class WrongQuestion(ValueError):
    """Something that no page of ours asks; the text says what."""


class Symbol(msgspec.Struct, frozen=True):
    """One that may be chosen."""

    key: str
    name: str


class Chart(msgspec.Struct, frozen=True):
    """What is new of a symbol."""

    place: str
    whole: bool
    heard: float | None
    rows: msgspec.Raw


class Answer(msgspec.Struct, frozen=True):
    """All of it."""

    clock: float
    market: Hours
    database: Standing
    symbols: Sequence[Symbol]
    trends: Sequence[Trend]
    charts: Mapping[str, Chart | None]


class Question(msgspec.Struct, frozen=True):
    """`since`: topic → the place that is known."""

    topics: tuple[str, ...]
    fields: tuple[str, ...]
    since: Mapping[str, str]


def question(given: Mapping[str, str]) -> Question:
    """Of the parameters of an address. Raises `WrongQuestion`."""
    topics = tuple(dict.fromkeys(_parts(given, "symbols")))
    fields = tuple(dict.fromkeys((*ALWAYS, *_parts(given, "fields"))))
    if len(topics) > MOST:
        raise WrongQuestion(f"symbols: at most {MOST}")
    if not all(map(_FIELD.fullmatch, fields)) or len(fields) > 2 * MOST:
        raise WrongQuestion("fields: names of figures, by commas")
    since = dict(place.rsplit(":", 1) for place in _parts(given, "since") if ":" in place)
    return Question(topics, fields, since)


def answer(shelf: Shelf, hours: Hours, names: Mapping[str, str], asked: Question, clock: float) -> bytes:
    """JSON. `names`: topic → symbol, where it is not the topic in capitals. `clock`: seconds since the epoch."""
    symbols = symbols_of(shelf, names)
    with shelf.open(asked.topics) as shown:
        charts = {topic: _chart(one, asked, asked.since.get(topic, "")) for topic, one in shown.items()}
        found = Answer(clock, hours, shelf.standing, symbols, trends(shelf.figures or USUAL), charts)
    return msgspec.json.encode(found)


def symbols_of(shelf: Shelf, names: Mapping[str, str]) -> list[Symbol]:
    """All that may be chosen."""
    return [Symbol(topic, names.get(topic, topic.upper())) for topic in shelf.topics]


def _chart(shown: Shown, asked: Question, known: str) -> Chart | None:
    book = shown.book
    if book is None:
        return None
    own, _, revision = known.rpartition("-")
    partly = own == _own(book) and revision.isascii() and revision.isdigit() and int(revision) <= book.revision
    rows = book.since(int(revision) if partly else 0, asked.fields)
    return Chart(f"{_own(book)}-{book.revision}", not partly, shown.heard, msgspec.Raw(rows))


def _own(book: Book) -> str:
    return f"{_PROCESS}-{book.number}"


def _parts(given: Mapping[str, str], name: str) -> list[str]:
    return [part for part in given.get(name, "").split(",") if part]
