from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from market.dashboard.book import KEPT_ANSWERS, Book

FIRST = datetime(2023, 8, 25, 13, 30)
MINUTE = int(FIRST.timestamp() - datetime(1970, 1, 1).timestamp()) // 60
Document = dict[str, Any]


def document(minute: int, version: int = 1, **figures: object) -> Document:
    prices = {"open": 1.5, "high": 2.0, "low": 1.0, "close": 1.25, "volume": 100}
    return {"_id": FIRST + timedelta(minutes=minute), **prices, **figures, "version": version}


def rows(book: Book, revision: int, *fields: str) -> dict[str, Any]:
    return dict(msgspec.json.decode(book.since(revision, ("close", *fields))))


def test_rows_come_in_order_of_time_as_steps_of_minutes_whatever_the_order_of_arrival() -> None:
    book = Book(FIRST)
    assert book.take([document(5), document(0), document(2)])
    assert rows(book, 0) == {"close": [1.25] * 3, "minutes": [MINUTE, 2, 3]}


def test_only_what_has_changed_since_a_revision_is_told_corrections_of_earlier_candles_too() -> None:
    book = Book(FIRST)
    book.take([document(0, ema_12=1.0), document(1, ema_12=1.0), document(2, ema_12=1.0)])
    known = book.revision
    assert not book.take([document(1, version=7, ema_12=1.0)]), "a later version that says the same"
    assert (book.revision, book.newest_version) == (known, 7)
    assert book.take([document(1, version=8, ema_12=1.5), document(3, version=8, ema_12=1.0)])
    assert rows(book, known, "ema_12") == {"close": [1.25, 1.25], "ema_12": [1.5, 1.0], "minutes": [MINUTE + 1, 2]}
    assert rows(book, book.revision) == {"close": [], "minutes": []}


def test_a_figure_that_is_missing_or_appears_later_is_null_elsewhere() -> None:
    book = Book(FIRST)
    book.take([document(0, rsi_14=None), document(1)])
    assert book.figures == ["rsi_14"]
    book.take([document(2, vwap=1.75, name="text", exact=True)])
    assert book.figures == ["rsi_14", "vwap"]
    assert rows(book, 0, "rsi_14", "vwap", "unheard_of")["vwap"] == [None, None, 1.75]
    assert book.take([document(2)]), "it has gone again"
    assert rows(book, 0, "vwap")["vwap"] == [None, None, None]


@pytest.mark.parametrize(
    ("close", "told"), [(178.12, "178.1235"), (61234.56, "178.12"), (0.00012, "178.1234567891"), (0.0, "178.123457")]
)
def test_figures_are_told_as_finely_as_the_price_takes_and_prices_as_they_are(close: float, told: str) -> None:
    book = Book(FIRST)
    book.take([{**document(0, vwap=178.1234567891, support=0.0, ema_12=1e300), "close": close}])
    written = book.since(0, ("close", "vwap", "support", "ema_12")).decode()
    assert f'"close":[{close or 0}],"vwap":[{told}],"support":[0],"ema_12":[1e' in written


def test_an_answer_is_made_once_for_all_viewers_and_few_are_kept() -> None:
    book = Book(FIRST)
    book.take([document(0)])
    assert book.since(0, ("close",)) is book.since(0, ("close",))
    for number in range(2 * KEPT_ANSWERS):
        book.since(0, (f"field_{number}",))
    assert len(book._answers) <= KEPT_ANSWERS
    before = book.since(0, ("close",))
    book.take([document(1)])
    assert book.since(0, ("close",)) != before
