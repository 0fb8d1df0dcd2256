"""The second implementation agrees with the service's own functions, and with what a person can check by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from market.candle import read
from market.documents import document
from market.indicators import Plan
from market.symbol_state import EMPTY, fold
from producers.candles import Disorder, candles, days_of
from producers.made import Made
from tests.market import closed_windows
from tests.market.batch import documents
from tests.market.candle_records import History, differences, histories, parsed
from tests.market.histories import NEW_YORK

LATER = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
WRONG = Disorder(shuffled=10, late=0.03, repeated=0.1, corrected=0.1, broken=0.05, unusual=0.2)
FIRST = datetime(2023, 8, 25, 13, 30)


def placed(sent: Sequence[Made]) -> list[tuple[tuple[str, int, int], bytes | None]]:
    return [((record.topic, 0, number), record.value) for number, record in enumerate(sent)]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_of_arrival_both_say_the_same(seed: int) -> None:
    sent = list(candles(seed, ["AAPL"], days_of(date(2023, 8, 25), 2), 150, WRONG))
    broken = {place for record, (place, _) in zip(sent, placed(sent), strict=True) if record.kind == "broken"}
    history = histories(placed(sent), broken)["aapl"]
    arrived = [read(record.value, "aapl", LATER, NEW_YORK) for record in sent if record.kind != "broken"]
    plan, state, found, late = Plan(), EMPTY, dict[int, Any](), 0
    for candle in arrived:
        folded = fold(state, [candle], plan, 10)
        state, late = folded.state, late + len(folded.late) + len(folded.old)
        found.update((changed.at, document(changed, figures)) for changed, figures in folded.changed)
    assert not differences(list(found.values()), history.documents())
    assert late >= len(history.late) > 0


def row(minute: int, volume: float = 100.0) -> dict[str, Any]:
    return {
        "at": FIRST + timedelta(minutes=minute),
        "open": 10.0,
        "high": 12.0,
        "low": 9.0,
        "close": 11.0,
        "volume": volume,
    }


def test_of_two_records_of_a_minute_the_later_counts_and_one_with_too_many_newer_ones_is_late() -> None:
    history = History()
    for number in range(12):
        history.take(("a", 0, number), row(number), 10)
    history.take(("a", 0, 12), row(1, volume=2), 10)
    history.take(("a", 0, 13), row(0), 10)
    history.take(("a", 0, 14), row(0, volume=2), 10)
    assert history.rows[FIRST + timedelta(minutes=1)]["volume"] == 2
    assert history.late == [("a", 0, 14)]


def test_a_record_is_read_whatever_its_notation() -> None:
    usual = b'{"datetime": "2023-08-25 09:30:00", "open": "1", "high": "3", "low": "1", "close": "2", "volume": "5"}'
    unusual = b'{"datetime": "2023-08-25T13:30:00Z", "open": 1, "high": 3.0, "low": "1.0", "close": 2, "volume": 5}'
    assert parsed(usual, NEW_YORK) == parsed(unusual, NEW_YORK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:], "is missing"),
        (lambda rows: [*rows, {**rows[0], "_id": FIRST - timedelta(minutes=1)}], "should not be there"),
        (lambda rows: [*rows, rows[0]], "there already"),
        (lambda rows: [*rows[:-1], {**rows[-1], "ema_12": rows[-1]["ema_12"] + 1e-6}], "ema_12"),
        (lambda rows: [*rows[:-1], {**rows[-1], "sma_20": 1.0}], "sma_20"),
        (lambda rows: [*rows[:-1], {"_id": rows[-1]["_id"]}], "fields"),
    ],
)
def test_every_difference_is_found(change: Any, said: str) -> None:
    rows = documents([row(0), row(1), row(2)])
    assert not differences(rows, rows)
    assert said in " ".join(differences(change(rows), rows))


AMC = [
    b"AMC,SELL,10.00,216,1534849271061,2018-08-21 21:01:11.061",
    b"AMC,BUY ,20.00,1,1534849274999",
    b"AMC,SELL,30.00,5,1534849275000",
    b"GME,SELL,7.00,5,1534849274000",
    b"GME,SELL,1.00,5,1534849300000",
]


def test_windows_are_those_that_a_person_fills() -> None:
    found = closed_windows.messages(closed_windows.windows(AMC))
    assert found[closed_windows.Key("AMC", 1_534_849_265_000)] == {
        "start": "2018-08-21T11:01:05.000Z",
        "end": "2018-08-21T11:01:15.000Z",
        "stockName": "AMC",
        "avgPrice": 15.0,
        "minPrice": 10.0,
        "maxPrice": 20.0,
        "count": 2,
    }
    assert found[closed_windows.Key("AMC", 1_534_849_270_000)]["avgPrice"] == 20
    assert {key.start for key in found if key.name == "GME"} == {1_534_849_265_000, 1_534_849_270_000}
    assert len(found) == 5


def test_every_difference_of_windows_is_found() -> None:
    expected = closed_windows.messages(closed_windows.windows(AMC))
    good = [(key.name.encode(), json.dumps(message).encode()) for key, message in expected.items()]
    assert not closed_windows.differences(good, expected)
    wrong = good[0][1].replace(b'"minPrice": ', b'"minPrice": 1')
    for found, said in (
        (good[1:], "missing"),
        ([*good, good[0]], "twice"),
        ([(b"GME", good[0][1]), *good[1:]], "the key is"),
        ([(good[0][0], wrong), *good[1:]], "and not"),
        ([*good, (b"X", good[0][1].replace(b"AMC", b"X"))], "should not be there"),
    ):
        assert said in " ".join(closed_windows.differences(found, expected))
