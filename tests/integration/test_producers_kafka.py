"""`python -m producers candles` and `trades` against a broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from producers.candles import Disorder, candles
from producers.kafka import DeliveryError, abort, deliver
from producers.made import Made
from tests.servers import ROOT
from tests.topics import create, delete, read

_numbers = count()


@pytest.fixture
def symbol(kafka: str) -> Iterator[str]:
    """A symbol of the test's own, whose topic goes afterwards."""
    name = f"S{os.getpid()}-{next(_numbers)}"
    yield name
    delete(kafka, [name.lower()])


def produce(kafka: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "producers", *arguments]
    environment = {**os.environ, "KAFKA_BROKERS": kafka, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120)


def test_candles_arrive_as_they_were_made_and_the_note_says_where(kafka: str, symbol: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    options = ("--minutes", "60", "--seed", "7", "--broken", "0.2", "--aborted", "5", "--note", str(note))
    done = produce(kafka, "candles", "--symbols", symbol, *options)
    assert done.returncode == 0, done.stderr
    assert "5 records in an aborted transaction" in done.stderr
    disorder = Disorder(10, 0.01, 0.02, 0.02, 0.2, 0.05)
    made = list(candles(7, [symbol], [date(2023, 8, 25)], 60, disorder))
    found = read(kafka, symbol.lower())
    assert [(record.key, record.value) for record in found] == [(record.key, record.value) for record in made]
    places = [json.loads(line) for line in note.read_text().splitlines()]
    assert [place["offset"] for place in places] == [record.offset for record in found]
    assert [place["kind"] for place in places] == [record.kind for record in made]


def test_the_late_demonstration_sends_three_trades_in_order(kafka: str) -> None:
    if os.environ.get("KAFKA_TEST_BROKERS"):
        pytest.skip("somebody else's topic `stocks`")
    done = produce(kafka, "trades", "--late-demo", "--symbols", "AMC", "--partitions", "2", "--pause", "0")
    assert done.returncode == 0, done.stderr
    times = [int(str(record.value).split(",")[4]) for record in read(kafka, "stocks")]
    assert [times[1] - at for at in times] == [18_000, 0, 12_000]
    delete(kafka, ["stocks"])


def test_trades_are_spread_over_partitions_by_name(kafka: str) -> None:
    if os.environ.get("KAFKA_TEST_BROKERS"):
        pytest.skip("somebody else's topic `stocks`")
    done = produce(kafka, "trades", "--seconds", "30", "--rate", "2000", "--broken", "0")
    assert done.returncode == 0, done.stderr
    found = read(kafka, "stocks")
    assert len(found) > 1_000
    assert len({record.partition for record in found}) == 4
    assert len({(record.key, record.partition) for record in found}) == 10
    delete(kafka, ["stocks"])


def test_wrong_settings_and_brokers_that_are_away_are_told_in_a_line(kafka: str) -> None:
    wrong = produce("nowhere", "candles")
    assert (wrong.returncode, "KAFKA_BROKERS" in wrong.stderr) == (2, True)
    away = produce("127.0.0.1:9", "candles", "--minutes", "1")
    assert away.returncode == 1
    assert len(away.stderr.strip().splitlines()) == 1
    symbols = produce(kafka, "candles", "--symbols", "AAPL,aapl")
    assert (symbols.returncode, "--symbols" in symbols.stderr) == (2, True)


def test_what_the_brokers_do_not_take_is_an_error(kafka: str, symbol: str) -> None:
    create(kafka, {symbol.lower(): 1}, {"max.message.bytes": "1000"})
    record = Made(symbol.lower(), None, os.urandom(5_000), "trade")
    with pytest.raises(DeliveryError, match=r"1 records: .*too large"):
        deliver({"bootstrap.servers": kafka, "log_level": 0}, [record])
    assert not read(kafka, symbol.lower())


def test_aborted_records_are_in_the_topic_and_nobody_may_read_them(kafka: str, symbol: str) -> None:
    create(kafka, {symbol.lower(): 1})
    records = [Made(symbol.lower(), None, b"x", "trade")] * 3
    assert abort({"bootstrap.servers": kafka}, records, f"test.{symbol}") == 3
    assert len(read(kafka, symbol.lower(), committed=False)) == 3
    assert not read(kafka, symbol.lower())
