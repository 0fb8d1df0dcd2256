"""What producers of candles and trades send is what they say that it is."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random

import pytest

from market.candle import Candle, read
from pipeline.runtime.errors import Rejected
from producers.candles import MINUTES, NEW_YORK, Disorder, candles, days_of
from producers.made import Made
from producers.odd_candles import BROKEN, UNUSUAL
from producers.trades import BROKEN as BROKEN_TRADES
from producers.trades import Mishaps, Trade, late_demonstration, milliseconds, trades

FRIDAY = date(2023, 8, 25)
BEGIN = datetime(2023, 8, 25, 13, 30, tzinfo=UTC)
LATER = milliseconds(datetime(2026, 1, 1, tzinfo=UTC)) // 1000
FIELDS = {"datetime": "2023-08-25 15:59:00", "open": "178.10", "high": "178.15", "low": "178.05", "close": "178.12"}
FIELDS["volume"] = "120394"
TRADE = Trade("AMC", "SELL", "158.84", "216", 1_534_849_271_061)
ALL_WRONG = Disorder(shuffled=10, late=0.03, repeated=0.1, corrected=0.1, broken=0.1, unusual=0.2)


def understood(record: Made) -> Candle:
    return read(record.value, record.topic, LATER, NEW_YORK)


def overtaken(sent: list[Made]) -> Iterator[tuple[Made, int]]:
    """Each candle, and how many newer minutes of its symbol came before it."""
    before: dict[str, set[int]] = defaultdict(set)
    for record in sent:
        at = understood(record).at
        yield record, sum(other > at for other in before[record.topic])
        before[record.topic].add(at)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    days = days_of(FRIDAY, 2)
    one, two = (list(candles(1, ["AAPL", "BTC/USD"], days, 60, ALL_WRONG)) for _ in range(2))
    assert one == two
    assert one != list(candles(2, ["AAPL", "BTC/USD"], days, 60, ALL_WRONG))
    assert list(trades(1, ["AMC"], BEGIN, 60, 5)) == list(trades(1, ["AMC"], BEGIN, 60, 5))


def test_another_symbol_changes_nothing_of_the_first_one_s() -> None:
    alone = list(candles(1, ["AAPL"], [FRIDAY], 60, ALL_WRONG))
    beside = candles(1, ["AAPL", "MSFT"], [FRIDAY], 60, ALL_WRONG)
    assert alone == [record for record in beside if record.topic == "aapl"]


def test_a_day_is_a_candle_for_each_minute_of_it_in_order_and_the_price_walks() -> None:
    sent = [understood(record) for record in candles(1, ["AAPL"], [FRIDAY], disorder=Disorder(shuffled=0))]
    assert [datetime.fromtimestamp(candle.at, NEW_YORK).strftime("%H:%M") for candle in (sent[0], sent[-1])] == [
        "09:30",
        "15:59",
    ]
    assert [after.at - before.at for before, after in pairwise(sent)] == [60] * (MINUTES - 1)
    assert all(0.98 < after.open / before.close < 1.02 for before, after in pairwise(sent))
    assert len({candle.close for candle in sent}) > MINUTES / 3


def test_days_leave_out_the_weekend() -> None:
    assert days_of(FRIDAY, 2) == [FRIDAY, date(2023, 8, 28)]


def test_a_symbol_s_topic_and_key_are_its_name() -> None:
    assert {(record.topic, record.key) for record in candles(1, ["BTC/USD"], [FRIDAY], 5)} == {("btc-usd", b"btc-usd")}


def test_shuffled_candles_are_overtaken_by_as_many_as_are_allowed_and_no_more() -> None:
    sent = list(candles(1, ["AAPL", "MSFT"], days_of(FRIDAY, 3), disorder=Disorder(shuffled=10, corrected=0.2)))
    most = Counter(newer for _, newer in overtaken(sent))
    assert max(most) == 10
    assert 0.2 < 1 - most[0] / most.total() < 0.5


def test_late_candles_are_overtaken_by_more() -> None:
    sent = list(candles(1, ["AAPL"], [FRIDAY], disorder=Disorder(shuffled=10, late=0.1)))
    late = [newer for record, newer in overtaken(sent) if record.kind == "late"]
    assert 20 < len(late) < 70
    assert sum(newer > 10 for newer in late) > len(late) * 0.9, "but for some at the end of the day"


def test_a_correction_comes_after_its_candle_and_says_something_else_and_a_repeat_says_the_same() -> None:
    first: dict[int, Candle] = {}
    seen = Counter[str]()
    for record in candles(1, ["AAPL"], [FRIDAY], disorder=Disorder(shuffled=10, repeated=0.1, corrected=0.1)):
        candle = understood(record)
        seen[record.kind] += 1
        if record.kind == "candle":
            first[candle.at] = candle
        elif record.kind == "repeat":
            assert first[candle.at] == candle
        else:
            assert first[candle.at] != candle
    assert all(20 < seen[kind] < 70 for kind in ("repeat", "correction"))


def test_broken_candles_are_sent_at_the_chosen_rate_without_a_key() -> None:
    sent = list(candles(1, ["AAPL"], days_of(FRIDAY, 3), disorder=Disorder(broken=0.1)))
    broken = [record for record in sent if record.kind == "broken"]
    assert 0.08 < len(broken) / (len(sent) - len(broken)) < 0.12
    assert {record.key for record in broken} == {None}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_candle_is_refused(broken: object) -> None:
    value = broken.make(dict(FIELDS), Random(1))  # type: ignore[attr-defined]
    with pytest.raises(Rejected):
        read(value, "aapl", LATER, NEW_YORK)


@pytest.mark.parametrize("change", UNUSUAL, ids=lambda change: str(change.__name__))
def test_a_candle_that_is_written_unusually_is_the_same_candle(change: object) -> None:
    usual = read(json.dumps(FIELDS).encode(), "aapl", LATER, NEW_YORK)
    fields = change(dict(FIELDS), "AAPL")  # type: ignore[operator]
    unusual = read(json.dumps(fields).encode(), "aapl", LATER, NEW_YORK)
    assert (unusual.at, unusual.close, unusual.high) == (usual.at, usual.close, usual.high)
    assert json.dumps(fields) != json.dumps(FIELDS)


def fields_of(record: Made) -> list[str]:
    assert record.value is not None
    return record.value.decode().split(",")


def test_trades_are_written_as_the_feed_writes_them() -> None:
    assert TRADE.written() == "AMC,SELL,158.84,216,1534849271061,2018-08-21 11:01:11.061"
    sent = [fields_of(record) for record in trades(1, ["AMC", "GME"], BEGIN, 300, 5)]
    assert {len(fields) for fields in sent} == {5, 6}
    assert {fields[1] for fields in sent} == {"SELL", "BUY "}
    assert {fields[0] for fields in sent} == {"AMC", "GME"}
    assert 300 * 5 * 2 * 0.9 < len(sent) < 300 * 5 * 2 * 1.1


def test_no_trade_is_overtaken_by_more_than_the_watermark_allows_but_those_that_are_meant_to_be() -> None:
    sent = list(trades(1, ["AMC", "GME"], BEGIN, 600, 5, Mishaps(shuffled=4.0, late=0.02)))
    newest, behind = 0, defaultdict[str, list[int]](list)
    for record in sent:
        at = int(fields_of(record)[4])
        behind[record.kind].append(newest - at)
        newest = max(newest, at)
    assert 3_000 < max(behind["trade"]) <= 4_000
    assert sum(ms > 12_000 for ms in behind["late"]) > len(behind["late"]) * 0.9, "but for some at the end"


def test_the_demonstration_s_late_trade_is_12_s_late_and_too_late_for_both_of_its_windows() -> None:
    first, moving, late = (int(fields_of(record)[4]) for record in late_demonstration("AMC", BEGIN))
    watermark = moving - 5_000
    assert moving - late == 12_000
    assert late // 5_000 * 5_000 + 10_000 <= watermark
    assert first // 5_000 * 5_000 + 10_000 <= watermark


def test_broken_trades_are_sent_at_the_chosen_rate() -> None:
    sent = list(trades(1, ["AMC"], BEGIN, 600, 10, Mishaps(broken=0.1, repeated=0.1)))
    kinds = Counter(record.kind for record in sent)
    assert 0.08 < kinds["broken"] / kinds["trade"] < 0.12
    assert 0.08 < kinds["repeat"] / kinds["trade"] < 0.12


@pytest.mark.parametrize(("name", "change"), BROKEN_TRADES, ids=[name for name, _ in BROKEN_TRADES])
def test_a_broken_trade_differs_from_a_good_one(name: str, change: object) -> None:
    assert change(TRADE) != TRADE.written().encode(), name  # type: ignore[operator]
