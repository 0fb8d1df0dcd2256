from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from market.dashboard import shelf as shelves
from market.dashboard.answers import MOST, Question, WrongQuestion, answer, question
from market.dashboard.hours import Hours
from market.dashboard.shelf import CHECKED, SETTLED, Shelf
from market.dashboard.source import Source
from pipeline.runtime.errors import Halted, Transient

FIRST = datetime(2023, 8, 25, 13, 30)
ROW = {"open": 1.0, "high": 2.0, "low": 1.0, "close": 1.0, "volume": 5}
Document = dict[str, Any]


class Rows(Source):
    """A database in memory; `broken` is what it raises."""

    def __init__(self, **topics: dict[int, Document]) -> None:
        self.name, self.zone = "market", ZoneInfo("America/New_York")
        self.rows = topics
        self.broken: Exception | None = None
        self.asked: list[str] = []

    def put(self, topic: str, minute: int, version: int, **fields: object) -> None:
        at = FIRST + timedelta(minutes=minute)
        self.rows.setdefault(topic, {})[minute] = {"_id": at, **ROW, **fields, "version": version}

    def topics(self) -> list[str]:
        self._ask("topics")
        return sorted(self.rows)

    def beginning(self, topic: str) -> datetime | None:
        self._ask("beginning")
        return FIRST if self.rows.get(topic) else None

    def documents(self, topic: str, first: datetime) -> Iterator[Document]:
        self._ask("documents")
        return iter(list(self.rows[topic].values()))

    def changed(self, topic: str, first: datetime, version: int, *, again: bool) -> list[Document]:
        self._ask("again" if again else "changed")
        rows = self.rows.get(topic, {}).values()
        return [one for one in rows if one["version"] > version or (again and one["version"] == version)]

    def versions(self, topic: str, first: datetime) -> dict[datetime, int]:
        self._ask("versions")
        return {one["_id"]: one["version"] for one in self.rows.get(topic, {}).values()}

    def these(self, topic: str, days: Any) -> list[Document]:
        self._ask("these")
        return [one for one in self.rows[topic].values() if one["_id"] in days]

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.broken:
            raise self.broken


class Viewer:
    """Of a shelf that looks once before each answer. `now`: seconds."""

    def __init__(self, source: Source, *chosen: str) -> None:
        self.now = 1_000.0
        self.shelf = Shelf(source, chosen, lambda: self.now)

    def ask(self, topic: str, since: str = "", later: float = 1.0) -> dict[str, Any]:
        self.now += later
        self.shelf.look()
        if topic in self.shelf.topics:
            with self.shelf.open([topic]):
                self.shelf.look()
        asked = Question((topic,), ("close",), {topic: since})
        return dict(msgspec.json.decode(answer(self.shelf, Hours(0, True, 0, 0), {}, asked, self.now)))

    def chart(self, topic: str, since: str = "", later: float = 1.0) -> Any:
        return self.ask(topic, since, later)["charts"][topic]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "FIRST", 0.0)


def rows() -> Rows:
    source = Rows()
    for minute in range(3):
        source.put("aapl", minute, version=1)
    return source


def test_the_first_answer_is_whole_and_each_after_it_has_what_is_new() -> None:
    source = rows()
    viewer = Viewer(source)
    first = viewer.chart("aapl")
    assert (first["whole"], first["rows"]["close"], first["heard"]) == (True, [1, 1, 1], None)
    same = viewer.chart("aapl", first["place"])
    assert (same["whole"], same["place"], same["rows"]["minutes"]) == (False, first["place"], [])
    source.put("aapl", 1, version=2, close=1.5)
    news = viewer.chart("aapl", first["place"])
    assert (news["whole"], news["rows"]["close"], news["heard"]) == (False, [1.5], viewer.now)


def test_a_place_of_another_process_or_nonsense_gets_all_of_it() -> None:
    viewer = Viewer(rows())
    place = viewer.chart("aapl")["place"]
    number = place.rpartition("-")[2]
    for known in ("", "nonsense", f"other-1-{number}", place[:-1] + "99", place + "²", f"{place}:x"):
        assert viewer.chart("aapl", known)["whole"], known


def test_a_document_that_comes_late_under_a_version_that_was_seen_is_found_all_the_same() -> None:
    source = rows()
    viewer = Viewer(source)
    place = viewer.chart("aapl")["place"]
    source.put("aapl", 3, version=1)
    assert len(viewer.chart("aapl", place)["rows"]["minutes"]) == 1, "while its version is new"
    for _ in range(int(SETTLED / 10) + 2):
        viewer.chart("aapl", later=10)
    source.put("aapl", 4, version=1)
    source.asked.clear()
    viewer.chart("aapl", later=CHECKED)
    assert viewer.chart("aapl")["rows"]["close"] == [1] * 5
    assert "versions" in source.asked and "these" in source.asked and "documents" not in source.asked


def test_documents_that_have_gone_go_from_the_chart_which_is_sent_whole() -> None:
    source = rows()
    viewer = Viewer(source)
    place = viewer.chart("aapl")["place"]
    del source.rows["aapl"][1]
    viewer.chart("aapl", later=CHECKED + 1)
    news = viewer.chart("aapl", place)
    assert news["whole"] and news["rows"]["minutes"][1:] == [2]
    source.rows["aapl"].clear()
    viewer.chart("aapl", later=CHECKED + 1)
    assert viewer.ask("aapl")["charts"] == {"aapl": None}


def test_a_database_that_is_away_or_refuses_is_told_with_what_is_known_and_read_anew_when_it_is_back() -> None:
    source = rows()
    viewer = Viewer(source)
    assert not viewer.shelf.ready
    viewer.chart("aapl")
    assert viewer.shelf.ready
    for broken, state in ((Transient("no primary"), "away"), (Halted("no right"), "refuses")):
        source.broken = broken
        gone = viewer.ask("aapl")
        assert gone["database"] == {"state": state, "since": viewer.now, "why": str(broken)}
        assert gone["charts"]["aapl"]["rows"]["close"] == [1, 1, 1]
        assert viewer.shelf.ready
    source.broken = None
    source.rows["aapl"].pop(0)
    back = viewer.ask("aapl")
    assert back["database"]["state"] == "answers"
    assert back["charts"]["aapl"]["rows"]["close"] == [1, 1]


def test_nothing_is_read_of_symbols_that_nobody_looks_at() -> None:
    source = rows()
    source.put("msft", 0, version=1)
    viewer = Viewer(source)
    viewer.chart("aapl")
    source.asked.clear()
    viewer.now += shelves.LOOKED_AT
    viewer.shelf.look()
    assert source.asked == ["topics"]


def test_a_topic_that_is_not_to_be_shown_is_not_shown_and_one_without_candles_says_so() -> None:
    source = rows()
    source.put("secret", 0, version=1)
    viewer = Viewer(source, "aapl", "msft")
    assert viewer.ask("secret")["charts"] == {}
    found = viewer.ask("msft")
    assert found["charts"] == {"msft": None}
    assert found["symbols"] == [{"key": "aapl", "name": "AAPL"}, {"key": "msft", "name": "MSFT"}]


def test_a_question_that_no_page_of_ours_asks_is_refused() -> None:
    asked = question({"symbols": "aapl,aapl,btc-usd", "fields": "ema_12", "since": "aapl:x-1-2,nonsense"})
    assert asked.topics == ("aapl", "btc-usd") and asked.since == {"aapl": "x-1-2"}
    assert asked.fields == ("open", "high", "low", "close", "volume", "ema_12")
    many = ",".join(f"s{number}" for number in range(MOST + 1))
    for given in ({"symbols": many}, {"fields": "$where"}, {"fields": ",".join(f"f{n}" for n in range(100))}):
        with pytest.raises(WrongQuestion):
            question(given)
