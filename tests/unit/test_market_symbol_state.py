"""Whatever the order in which candles arrive, the documents are those of a batch computation over all of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from market.candle import Candle
from market.documents import candle_of, document
from market.indicators import Plan
from market.symbol_state import EMPTY, SymbolState, fold
from tests.market.batch import difference, documents
from tests.market.histories import NEW_YORK, Row, candle, changed, history, shuffled

LATENESS = 10
PLAN = Plan()


@dataclass
class Book:
    """A collection and a state, as the store keeps them."""

    lateness: int = LATENESS
    documents: dict[Any, dict[str, Any]] = field(default_factory=dict)
    state: SymbolState = EMPTY
    late: list[Candle] = field(default_factory=list)
    written: int = 0

    def take(self, rows: Iterable[Row]) -> None:
        """One batch."""
        candles = [candle(row) for row in rows]
        folded = fold(self.state, candles, PLAN, self.lateness)
        for changed_candle, figures in folded.changed:
            made = document(changed_candle, figures)
            self.documents[made["_id"]] = made
        self.written += len(folded.changed)
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(folded.state), type=SymbolState)
        there = {candle_of(one, NEW_YORK) for one in self.documents.values()}
        self.late += [candles[place] for place in folded.late]
        self.late += [candles[place] for place in folded.old if candles[place] not in there]

    def differences(self, rows: Sequence[Row]) -> list[str]:
        wanted = documents([{**row} for row in rows])
        assert set(self.documents) == {one["_id"] for one in wanted}
        found = ({k: v for k, v in self.documents[one["_id"]].items() if k != "volume_exact"} for one in wanted)
        return [text for one, other in zip(found, wanted, strict=True) if (text := difference(one, other))]


def cut(rng: random.Random, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Batches."""
    while rows:
        size = rng.choice((1, 2, 5, 40))
        yield rows[:size]
        rows = rows[size:]


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 90), st.integers(0, LATENESS))
def test_any_order_of_arrival_within_lateness_ends_in_the_same_documents(
    rng: random.Random, length: int, late: int
) -> None:
    rows = history(rng, length)
    book = Book()
    for batch in cut(rng, shuffled(rng, rows, late)):
        book.take(batch)
    assert book.late == []
    assert book.differences(rows) == []


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 90))
def test_corrections_and_repeats_end_as_if_each_minute_had_come_once_and_right(rng: random.Random, length: int) -> None:
    rows = history(rng, length)
    right = [changed(rng, row) if rng.random() < 0.2 else row for row in rows]
    both = [one for row, last in zip(rows, right, strict=True) for one in ((row,) if row is last else (row, last))]
    arriving = shuffled(rng, both, LATENESS)
    last_at = {row["at"]: place for place, row in enumerate(arriving)}
    repeats = [place for place, row in enumerate(arriving) if last_at[row["at"]] == place and rng.random() < 0.3]
    for place in reversed(repeats):
        arriving.insert(rng.randrange(place + 1, len(arriving) + 1), arriving[place])
    book = Book()
    for batch in cut(rng, arriving):
        book.take(batch)
    assert book.late == []
    assert book.differences(right) == []


def test_a_correction_in_the_session_before_is_exact_in_every_figure() -> None:
    rng = random.Random(4)
    rows = history(rng, 25)
    assert rows[19]["at"].date() != rows[20]["at"].date()
    book = Book()
    book.take(rows)
    right = [*rows[:17], changed(rng, rows[17]), *rows[18:]]
    book.take([right[17]])
    assert book.differences(right) == []
    assert book.differences(rows) != []


@pytest.mark.parametrize("lateness", [0, 1, 3, 10, 25])
def test_with_exactly_so_many_newer_ones_a_candle_is_accepted_and_with_one_more_it_is_late(lateness: int) -> None:
    rows = history(random.Random(5), 80)
    for missing in (40, 79 - lateness - 1):
        book = Book(lateness)
        book.take(rows[:missing])
        book.take(rows[missing + 1 : missing + 1 + lateness])
        accepted = msgspec.structs.replace(book.state), dict(book.documents)
        book.take([rows[missing]])
        assert (book.late, book.differences(rows[: missing + 1 + lateness])) == ([], [])
        book.state, book.documents = accepted
        book.take(rows[missing + 1 + lateness : missing + 2 + lateness])
        book.take([rows[missing]])
        assert book.late == [candle(rows[missing])]


def test_lateness_counts_minutes_not_records() -> None:
    rows = history(random.Random(6), 30)
    book = Book(2)
    book.take([*rows[:20], *rows[21:23], rows[22], changed(random.Random(1), rows[22]), rows[22], rows[20]])
    assert (book.late, book.differences(rows[:23])) == ([], [])


def test_an_old_candle_is_late_unless_it_says_what_is_there_already() -> None:
    rng = random.Random(7)
    rows = history(rng, 120)
    book = Book()
    for batch in cut(rng, rows):
        book.take(batch)
    written = book.written
    unknown = {**rows[0], "at": rows[0]["at"].replace(hour=1)}
    wrong = [changed(rng, rows[place]) for place in (2, 95, 119 - LATENESS - 1)]
    book.take([rows[3], rows[95], *wrong, unknown])
    assert book.late == [candle(wrong[1]), candle(wrong[2]), candle(wrong[0]), candle(unknown)]
    assert book.written == written


def test_a_candle_in_order_rewrites_nothing_and_a_late_one_what_is_after_it() -> None:
    rows = history(random.Random(8), 100)
    book = Book()
    book.take(rows[:80])
    for place in (80, 81, 82, 84, 85):
        book.take([rows[place]])
    assert book.written == 85
    book.take([rows[83]])
    assert book.written == 88


def test_the_state_does_not_grow() -> None:
    book = Book()
    sizes = set()
    for batch in cut(random.Random(9), history(random.Random(9), 400)):
        book.take(batch)
        sizes.add((len(book.state.candles), len(book.state.steps)))
    assert max(sizes) == (LATENESS + 20, LATENESS + 2)


def test_rsi_bollinger_and_atr_are_those_of_ta_lib() -> None:
    rows = history(random.Random(10), 300)
    book = Book()
    book.take(rows)
    high, low, close = (np.array([row[name] for row in rows]) for name in ("high", "low", "close"))
    upper, _, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2)
    oracle = {
        "rsi_14": talib.RSI(close, 14),
        "atr_14": talib.ATR(high, low, close, 14),
        "bollinger_upper": upper,
        "bollinger_lower": lower,
    }
    for name, values in oracle.items():
        found = [book.documents[row["at"]][name] for row in rows]
        assert [value is None for value in found] == [bool(np.isnan(value)) for value in values]
        wrong = [(a, b) for a, b in zip(found, values, strict=True) if a is not None and abs(a - b) > 1e-6]
        assert wrong == []


def test_a_history_that_a_person_can_check() -> None:
    """Highs and lows of seven candles: the fifth is the first highest, and the first lowest is not."""
    highs = (5.0, 6.0, 7.0, 8.0, 9.0, 9.0, 4.0)
    lows = (3.0, 2.0, 2.0, 3.0, 2.0, 3.0, 3.0)
    minutes = history(random.Random(1), 7)
    rows = [
        {**row, "open": low, "high": high, "low": low, "close": low, "volume": 100}
        for row, high, low in zip(minutes, highs, lows, strict=True)
    ]
    book = Book()
    book.take(rows)
    first, last = book.documents[rows[0]["at"]], book.documents[rows[6]["at"]]
    assert (last["resistance"], last["support"], last["sma_20"]) == (9.0, 0.0, None)
    assert first["ema_12"] == 3.0
    assert (first["macd"], first["signal"]) == (0.0, 0.0)
    second = book.documents[rows[1]["at"]]
    assert second["ema_12"] == pytest.approx(2 / 13 * 2.0 + 11 / 13 * 3.0, abs=1e-12)
    assert second["vwap"] == pytest.approx(((5 + 3 + 3) / 3 + (6 + 2 + 2) / 3) / 2, abs=1e-12)
