"""Trades into windows: what a person can check by hand, what is a letter, and each window once."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from market.trades import Trades, windows
from tests import topics
from tests.integration import streaming
from tests.integration.streaming import Trial, Watched
from tests.market import closed_windows

spark = pytest.fixture(scope="module", name="spark")(streaming.session)
NOW = int(time.time() * 1000)
NINE = (
    b"AMC,SELL,158.84,216,1534849271061,2018-08-21 21:01:11.061",
    b"AMC,BUY ,159.16,100,1534849272500,2018-08-21 21:01:12.500",
    b"AMC,SELL,158.00,50,1534849276000,2018-08-21 21:01:16.000",
    b"HUD,BUY ,21.50,300,1534849276999,2018-08-21 21:01:16.999",
    b"HUD,SELL,22.50,1,1534849277000",
    b"AMC,BUY,160.00,10,1534849279999,2018-08-21 21:01:19.999",
    b"AMC,SELL,162.00,10,1534849280000,2018-08-21 21:01:20.000",
    b"HUD,SELL   ,20,5,1534849283000,2018-08-21 21:01:23.000",
    b"AMC,BUY ,161.5,7,1534849290000,2018-08-21 21:01:30.000",
)
"""The last moves the watermark to 11:01:25."""


@pytest.fixture
def trial(spark: SparkSession, kafka: str, tmp_path: Path) -> Iterator[Trial]:
    yield Trial(spark, kafka, tmp_path, partitions=1)


def run(trial: Trial, **settings: Any) -> Watched:
    return trial.run(Trades(trial.writes).apply, windows, **settings)


def written(trial: Trial) -> list[dict[str, Any]]:
    return [json.loads(value or b"") for value in trial.out()]


def sent(values: Sequence[bytes]) -> list[topics.Sent]:
    """Records whose own time is `NOW`: brokers soon drop what is older than they keep."""
    return [topics.Sent(value, None, 0, NOW) for value in values]


def test_nine_trades_give_windows_that_a_person_can_check(trial: Trial) -> None:
    trial.put(sent(NINE))
    run(trial)
    found = {
        (one["stockName"], one["start"][11:19], one["end"][11:]): (
            one["avgPrice"],
            one["minPrice"],
            one["maxPrice"],
            one["count"],
        )
        for one in written(trial)
    }
    assert found == {
        ("AMC", "11:01:05", "11:01:15.000Z"): (pytest.approx((158.84 + 159.16) / 2), 158.84, 159.16, 2),
        ("AMC", "11:01:10", "11:01:20.000Z"): (pytest.approx(636.0 / 4), 158.0, 160.0, 4),
        ("AMC", "11:01:15", "11:01:25.000Z"): (pytest.approx(480.0 / 3), 158.0, 162.0, 3),
        ("HUD", "11:01:10", "11:01:20.000Z"): (22.0, 21.5, 22.5, 2),
        ("HUD", "11:01:15", "11:01:25.000Z"): (pytest.approx(64 / 3), 20.0, 22.5, 3),
    }
    first = topics.read(trial.kafka, trial.writes)[0]
    assert first.key == json.loads(first.value or b"")["stockName"].encode()
    assert list(json.loads(first.value or b"")) == [
        "start", "end", "stockName", "avgPrice", "minPrice", "maxPrice", "count",
    ]  # fmt: skip
    assert {one["start"] for one in written(trial)} >= {"2018-08-21T11:01:05.000Z"}
    assert trial.letters() == []


def test_on_request_windows_are_shown_as_well(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.put(sent(NINE))
    trial.run(Trades(trial.writes).apply_and_show, windows)
    shown = [line for line in capsys.readouterr().out.splitlines() if "|AMC" in line or "|HUD" in line]
    assert len(shown) == len(written(trial)) == 5
    assert shown[0].split("|")[1:4] == ["2018-08-21 11:01:15", "AMC ", "159.0             "]


BAD: dict[bytes | None, str] = {
    b"": "empty",
    b"  ": "empty",
    b"\xff\xfe,SELL,1,1,1534849271061": "not_utf8",
    b"x" * 2**19: "wrong_columns",
    b'{"name": "AMC"}': "quoted",
    b"AMC,SELL,158.84,216": "wrong_columns",
    b"AMC,SELL,158.84,216,1534849271061,x,y": "wrong_columns",
    b'"AMC",SELL,158.84,216,1534849271061': "quoted",
    b'AMC,SELL,"158,84",216,1534849271061': "quoted",
    b",SELL,158.84,216,1534849271061": "missing_field name",
    b"  ,SELL,158.84,216,1534849271061": "missing_field name",
    b"AMC,sell,158.84,216,1534849271061": "wrong_side side",
    b"AMC, SELL,158.84,216,1534849271061": "wrong_side side",
    b"AMC,,158.84,216,1534849271061": "wrong_side side",
    b"AMC,SELL,,216,1534849271061": "missing_field price",
    b"AMC,SELL,NaN,216,1534849271061": "not_finite price",
    b"AMC,SELL,-Infinity,216,1534849271061": "not_finite price",
    b"AMC,SELL,1e400,216,1534849271061": "out_of_range price",
    b"AMC,SELL,-0.01,216,1534849271061": "negative price",
    b"AMC,SELL,158.84d,216,1534849271061": "wrong_type price",
    b"AMC,SELL,0x1p3,216,1534849271061": "wrong_type price",
    b"AMC,SELL, 158.84,216,1534849271061": "wrong_type price",
    b"AMC,SELL,158.84\n,216,1534849271061": "wrong_type price",
    b"AMC,SELL,$1,216,1534849271061": "wrong_type price",
    b"AMC,SELL,158.84,,1534849271061": "missing_field quantity",
    b"AMC,SELL,158.84,-1,1534849271061": "negative quantity",
    b"AMC,SELL,158.84,nan,1534849271061": "not_finite quantity",
    b"AMC,SELL,158.84,many,1534849271061": "wrong_type quantity",
    b"AMC,SELL,158.84,216,": "missing_field time",
    b"AMC,SELL,158.84,216,2018-08-21 21:01:11.061": "wrong_type time",
    b"AMC,SELL,158.84,216,1534849271061.0": "wrong_type time",
    b"AMC,SELL,158.84,216,1534849271061\n": "wrong_type time",
    b"AMC,SELL,158.84,216,-1534849271061": "negative time",
    b"AMC,SELL,158.84,216,99999999999999999999": "out_of_range time",
    b"AMC,SELL,158.84,216,253402300800000": "out_of_range time",
    b"AMC,SELL,158.84,216,%d" % (NOW + 300_001): "far_ahead time",
}


def test_what_is_no_trade_is_a_letter_with_its_reason_and_costs_no_good_one_its_place(trial: Trial) -> None:
    trial.put(sent([*NINE[:4], *filter(None, BAD), b"", *NINE[4:]]))
    trial.put([topics.Sent(None, b"AMC", 0, NOW)])
    trial.put(sent([b"AMC,SELL,1e0,0,%d" % (NOW + 300_000), b"AMC,SELL,-0,+1.5e-3,%d," % (NOW + 300_000)]))
    watched = run(trial)
    letters = trial.letters()
    assert {letter.value: _told(letter) for letter in letters} == {**BAD, None: "no_value"}
    assert len(letters) == len(BAD) + 1
    assert letters[-1].key == b"AMC"
    assert watched.reasons.total() == len(letters)
    assert len(written(trial)) == 9


QUOTED = [b'"%d",SELL,1,1,1' % number for number in range(5)]


def test_a_letter_and_a_window_are_written_once_though_the_checkpoint_is_lost(trial: Trial) -> None:
    trial.put(sent([*NINE, *QUOTED]))
    run(trial)
    first = (trial.out(), trial.letters())
    assert len(first[1]) == 5
    shutil.rmtree(trial.folder / "checkpoint")
    trial.put(sent([b"AMC,BUY ,100,7,1534849310000", b"AMC,BUY ,100,7"]))
    run(trial, MAX_RECORDS_PER_BATCH="4")
    assert [value for value in trial.out() if value in first[0]] == first[0]
    names = [(one["stockName"], one["start"]) for one in written(trial)]
    assert sorted(names) == sorted(set(names))
    assert ("AMC", "2018-08-21T11:01:25.000Z") in names
    assert len(trial.letters()) == 6


def test_windows_of_many_trades_are_those_of_a_second_computation(trial: Trial) -> None:
    rng = Random(3)
    trades = []
    for number in range(3000):
        at = 1_534_849_200_000 + number * 20 + rng.randrange(4000)
        trades.append(f"S{rng.randrange(9)},{rng.choice(('SELL', 'BUY '))},{rng.uniform(1, 500):.4f},5,{at}".encode())
    last = b"S0,BUY ,1,1,1534849400000"
    trial.put(sent([*trades, last]))
    run(trial, MAX_RECORDS_PER_BATCH="3001")
    expected = closed_windows.messages(closed_windows.windows([*trades, last]))
    found = [(record.key, record.value) for record in topics.read(trial.kafka, trial.writes)]
    assert closed_windows.differences(found, expected) == []
    assert len(found) == len(expected) > 100


def test_a_trade_behind_the_watermark_is_counted_and_no_letter(trial: Trial) -> None:
    trial.put(sent(NINE))
    run(trial)
    before = trial.out()
    trial.put(sent([b"AMC,SELL,1.00,1,1534849272000"]))
    query, watched = trial.query(Trades(trial.writes).apply, windows, until_caught_up=False)

    def dropped() -> int:
        told = {state["batchId"]: state["stateOperators"] for state in watched.states}
        return sum(int(part["numRowsDroppedByWatermark"]) for parts in told.values() for part in parts)

    streaming.look(query, lambda: dropped() > 0)
    assert dropped() == 2, "in each of its two windows"
    assert (trial.out(), trial.letters()) == (before, [])


def _told(letter: topics.Found) -> str:
    parts = (letter.headers["reason"], letter.headers.get("field"))
    return b" ".join(part for part in parts if part).decode()
