"""What the dashboard reads of the database, and how its process ends."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, ReadPreference, monitoring

from market import mongo as clients
from market.dashboard import shelf as shelves
from market.dashboard.book import Book
from market.dashboard.shelf import ANSWERS, Shelf
from market.dashboard.source import PROGRAM, Source
from market.documents import PRICES
from tests.market.histories import NEW_YORK
from tests.market.trading import Trading, days
from tests.processes import free_port
from tests.servers import HERE, ROOT

TOPIC = "aapl"
DATES = [date(2023, 8, 31), *(date(2023, 9, day) for day in (1, 5, 6, 7, 8))]
"""Six trading days, over a weekend and Labor Day."""
_numbers = itertools.count()


class Told(monitoring.CommandListener):
    """Names of the commands that were sent."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.add(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def name(mongo: str) -> Iterator[str]:
    made = f"dashboard_{os.getpid()}_{next(_numbers)}"
    yield made
    client: MongoClient[dict[str, Any]] = MongoClient(mongo)
    for one in (made, f"{made}_state"):
        client.drop_database(one)
    client.close()


def test_the_days_that_are_shown_are_five_trading_days_however_far_apart(mongo: str, name: str) -> None:
    rows = days(1, DATES, minutes=30)
    Trading(mongo, name).send({TOPIC: rows})
    source = Source(mongo, name, NEW_YORK)
    first = source.beginning(TOPIC)
    assert first == datetime(2023, 9, 1, 4), "midnight in New York"
    assert [one["_id"] for one in source.documents(TOPIC, first)] == [row["at"] for row in rows[30:]]
    assert source.topics() == [TOPIC]
    assert source.beginning("none") is None


def test_what_is_new_or_was_written_again_is_found_by_its_version_and_nothing_else(mongo: str, name: str) -> None:
    rows = days(2, DATES[:1], minutes=60)
    trading, source = Trading(mongo, name), Source(mongo, name, NEW_YORK)
    trading.send({TOPIC: rows[:50]})
    first = source.beginning(TOPIC)
    assert first is not None
    book = Book(first)
    book.take(source.documents(TOPIC, first))
    assert not source.changed(TOPIC, first, book.newest_version, again=False)
    assert len(source.changed(TOPIC, first, book.newest_version, again=True)) == 50
    corrected = {**rows[45], "volume": rows[45]["volume"] + 1}
    trading.send({TOPIC: [corrected, rows[50]]})
    found = source.changed(TOPIC, first, book.newest_version, again=False)
    assert {one["_id"] for one in found} == {row["at"] for row in rows[45:51]}, "vwap changes in all after it"
    book.take(found)
    assert book.versions == source.versions(TOPIC, first)
    missed = source.these(TOPIC, [rows[3]["at"], rows[4]["at"]])
    assert [one["close"] for one in missed] == [row["close"] for row in rows[3:5]]


def test_documents_of_others_in_a_collection_are_no_candles_and_break_nothing(mongo: str, name: str) -> None:
    rows = days(3, DATES[:1], minutes=10)
    Trading(mongo, name).send({TOPIC: rows})
    client: MongoClient[dict[str, Any]] = MongoClient(mongo)
    far = rows[-1]["at"] + timedelta(minutes=1)
    client[name][TOPIC].insert_many([{"_id": "note", "text": "x"}, {"_id": far, "close": 1.0}])
    prices = dict.fromkeys(PRICES, 5)
    client[name][TOPIC].insert_one({"_id": far + timedelta(minutes=1), **prices})
    client[name]["Capital letters"].insert_one({"_id": 1})
    client.close()
    source = Source(mongo, name, NEW_YORK)
    first = source.beginning(TOPIC)
    assert first is not None
    assert len(list(source.documents(TOPIC, first))) == 11, "one without a version is a candle too"
    assert len(source.changed(TOPIC, first, 1 << 62, again=False)) == 1, "and always looked at"
    assert source.topics() == [TOPIC]


def test_it_only_reads_and_from_a_secondary_where_there_is_one(
    mongo: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trading(mongo, name).send({TOPIC: days(4, DATES[:1], minutes=10)})
    told = Told()
    monkeypatch.setattr(shelves, "FIRST", 0.0)
    clients.client.cache_clear()
    monkeypatch.setattr(
        clients, "MongoClient", lambda *given, **more: MongoClient(*given, event_listeners=[told], **more)
    )
    shelf = Shelf(Source(mongo, name, NEW_YORK), ())
    shelf.look()
    with shelf.open([TOPIC]):
        shelf.look()
    for moment in (1, 40):
        monkeypatch.setattr(shelf, "_clock", lambda later=moment: time.time() + later)
        shelf.look()
    assert shelf.standing.state == ANSWERS
    assert {"find", "listCollections"} <= told.names <= {"find", "listCollections", "getMore"}
    base = clients.only_read(mongo, name, PROGRAM)
    assert base.read_preference == ReadPreference.SECONDARY_PREFERRED
    clients.client.cache_clear()
    given = clients.only_read(f"{mongo}/?readPreference=nearest", name, PROGRAM)
    assert given.read_preference == ReadPreference.NEAREST
    clients.client.cache_clear()


def started(environment: dict[str, str]) -> subprocess.Popen[str]:
    given = {**os.environ, "MONGO_URI": f"mongodb://{HERE}:1", **environment}
    command = [sys.executable, "-m", "market.dashboard"]
    return subprocess.Popen(command, cwd=ROOT, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_without_a_database_it_is_alive_and_not_ready_and_a_wish_to_stop_ends_it_with_0(tmp_path: Path) -> None:
    port = free_port()
    process = started({"DASHBOARD_PORT": str(port), "SYMBOLS": "AAPL"})
    try:
        status = _statuses(port)
        assert status == {"healthz": 200, "readyz": 503, "": 200}
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def _statuses(port: int) -> dict[str, int]:
    deadline = time.monotonic() + 60
    while True:
        try:
            found = {}
            for path in ("healthz", "readyz", ""):
                try:
                    with urllib.request.urlopen(f"http://{HERE}:{port}/{path}", timeout=10) as answer:
                        found[path] = answer.status
                except urllib.error.HTTPError as error:
                    found[path] = error.code
            return found
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_port_that_is_taken_ends_it_with_1_and_wrong_settings_with_2() -> None:
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
        blocked = started({"DASHBOARD_PORT": str(port)})
        wrong = started({"DASHBOARD_PORT": "65536", "DASHBOARD_ADDRESS": "here", "MONGO_URI": "", "SYMBOLS": "a,A"})
        unknown = started({"DASHBOARD_PORT": "0", "MARKET_CALENDAR": "XMOON"})
        _, said = blocked.communicate(timeout=60)
        _, problems = wrong.communicate(timeout=60)
        _, other = unknown.communicate(timeout=60)
    assert blocked.returncode == 1 and f"cannot listen on 127.0.0.1:{port}" in said
    assert wrong.returncode == 2
    named = [line.split()[0].rstrip(":") for line in problems.splitlines()[1:]]
    assert sorted(named) == ["DASHBOARD_ADDRESS", "DASHBOARD_PORT", "MONGO_URI", "SYMBOLS"]
    assert unknown.returncode == 1 and "MARKET_CALENDAR XMOON" in other
