"""Page views from a topic into clean events, windows and letters."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sql

from page_views import service, star
from page_views.batches import Batches
from page_views.loader import FEEDS, Loader
from page_views.names import AGGREGATES, SESSIONS, VIEWS
from page_views.segment import batch_of
from page_views.service import Out, PageViews
from page_views.users import Span, of_table, of_topic, summed
from page_views.waiting import NOTE, Waiting
from pipeline.kafka.client import client_options
from pipeline.lake.lake import Lake
from pipeline.lake.table import ensure
from pipeline.runtime.errors import Transient
from pipeline.structured.batch import RunningBatch
from tests import topics
from tests.integration import streaming
from tests.integration.streaming import Trial, Watched
from tests.page_views import tables, told_again
from tests.page_views.asked import Asked, questions

spark = pytest.fixture(scope="module", name="spark")(streaming.session)
NOW = int(time.time())
FIRST = 1_534_849_200
"""2018-08-21T11:00:00Z."""
GAP, LATENESS = 1200, 600
SECRET = "a secret of the tests"


class Views(Trial):
    """Topics of page views, and a folder for batches of `size`."""

    def __init__(self, spark: SparkSession, kafka: str, folder: Path, size: int = 5) -> None:
        super().__init__(spark, kafka, folder, partitions=2)
        self.aggregates, self.over, self.size = f"{self.writes}-aggregates", f"{self.writes}-sessions", size
        topics.create(kafka, {self.aggregates: 2, self.over: 2})
        self.lake = Lake((folder / "warehouse").as_uri(), f"jdbc:sqlite:{folder}/catalog.db")
        ensure(self.lake, star.TABLES)

    def go(self, gap: int = GAP, lateness: int = LATENESS, **settings: Any) -> Watched:
        client, waiting = client_options(self.settings()), Waiting(self.settings().checkpoint_dir)
        batches = Batches(self.folder / "batches", self.size, client, self.writes)
        out = Out(self.writes, self.aggregates, self.over)
        return self.run(PageViews(client, gap, lateness, waiting, batches, out).apply, **settings)

    def windows(self) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in topics.read(self.kafka, self.aggregates)]

    def sessions(self) -> Counter[told_again.Session]:
        records = topics.read(self.kafka, self.over)
        return Counter(told_again.session(json.loads(record.value or b"")) for record in records)

    def loader(self) -> Loader:
        named = {VIEWS: self.writes, AGGREGATES: self.aggregates, SESSIONS: self.over}
        feeds = [dataclasses.replace(feed, topic=named[feed.topic]) for feed in FEEDS]
        return Loader(self.lake, client_options(self.settings()), SECRET, 60, feeds)

    def unique_users(self, path: str) -> int:
        """Of all windows of a path together, by their sketches."""
        sketches = [(one["sketch"],) for one in self.windows() if one["path"] == path]
        frame = self.spark.createDataFrame(sketches, "sketch STRING")
        merged = frame.select(sql.hll_sketch_estimate(sql.hll_union_agg(sql.unbase64("sketch"))).alias("users"))
        return int(merged.collect()[0].users)

    def files(self) -> dict[str, Any]:
        return {path.name: json.loads(path.read_bytes()) for path in (self.folder / "batches").glob("[0-9]*.json")}


@pytest.fixture
def trial(spark: SparkSession, kafka: str, tmp_path: Path) -> Iterator[Views]:
    yield Views(spark, kafka, tmp_path)


def line(user: str, at: int, page: str = "/", query: str = "") -> bytes:
    return f"{user},https://example.org{page}{query},{FIRST + at},Chrome,Linux,1920x1080".encode()


def sent(values: Sequence[bytes], partition: int = 0) -> list[topics.Sent]:
    return [topics.Sent(value, value.partition(b",")[0], partition, NOW * 1000) for value in values]


NEWS = "?utm_source=News&utm_medium=mail"
MORNING = (
    line("ann", 10, "/a", NEWS),
    line("bob", 20, "/a", NEWS),
    line("ann", 200, "/b"),
    line("ann", 290, "/a/", NEWS),
    line("ann", 1490, "/a"),
    line("bob", 1500, "/a"),
    line("zoe", 2500, "/end"),
)
"""The last moves the watermark to 11:31:40."""
END = line("end", 40_000)


def test_a_morning_that_a_person_can_check(trial: Views) -> None:
    trial.put(sent(MORNING))
    kept = trial.go().batches[-1].kept
    assert kept == 1 + 2, "zoe's view, and the sessions of ann and bob that may go on"
    found = {
        (one["start"][11:16], one["path"], one["utmSource"], one["utmMedium"]): (
            one["views"],
            one["uniqueUsers"],
            one["sessions"],
        )
        for one in trial.windows()
    }
    assert found == {
        ("11:00", "/a", "news", "mail"): (3, 2, 2),
        ("11:00", "/b", None, None): (1, 1, 0),
        ("11:20", "/a", None, None): (1, 1, 0),
        ("11:25", "/a", None, None): (1, 1, 1),
    }
    assert trial.unique_users("/a") == 2, "of three windows together"
    first = topics.read(trial.kafka, trial.aggregates)[0]
    assert first.key == json.loads(first.value or b"")["path"].encode()
    assert list(json.loads(first.value or b"")) == [
        "start", "end", "path", "utmSource", "utmMedium", "views", "uniqueUsers", "sessions", "sketch",
    ]  # fmt: skip
    views = topics.read(trial.kafka, trial.writes)
    assert {(record.key or b"").decode() for record in views} == {"ann", "bob", "zoe"}
    assert all(json.loads(record.value or b"")["anonymousUserId"].encode() == record.key for record in views)
    assert len(views) == 7
    assert trial.letters() == []
    assert {name: one["unique users"] for name, one in trial.files().items()}.keys() == {"1.json"}


def test_what_is_no_view_is_a_letter_without_its_password_and_costs_no_good_one_its_place(trial: Views) -> None:
    bad: dict[bytes, str] = {
        b"": "empty",
        b"\xff\xfe,x": "not_utf8",
        b"u,/relative,1534849200,Chrome,Linux,1x1": "bad_address",
        b"u,https://example.org/,1534849200,Googlebot,Linux,1x1": "robot",
        b"u,https://example.org/,1534849200000,Chrome,Linux,1x1": "far_ahead",
    }
    trial.put(sent([*MORNING[:3], *bad, b"u,ftp://me:secret@example.org/,1534849200,Chrome,Linux,1x1", *MORNING[3:]]))
    trial.put([topics.Sent(None, b"ann", 1, NOW * 1000)])
    trial.go()
    letters = {letter.value: letter.headers["reason"] for letter in trial.letters()}
    told: dict[bytes | None, bytes] = {value: reason.encode() for value, reason in bad.items()}
    assert letters == told | {
        b"u,ftp://example.org/,1534849200,Chrome,Linux,1x1": b"not_http",
        None: b"no_value",
    }
    assert len(trial.letters()) == len(bad) + 2
    assert len(trial.out()) == 7


def test_a_view_behind_the_watermark_is_a_letter_and_nothing_else(trial: Views) -> None:
    trial.put(sent(MORNING))
    trial.go()
    before = trial.windows()
    late, just = line("late", 1899, "/late"), line("just", 1900, "/just")
    trial.put(sent([late, just, line("zoe", 9000)]))
    trial.go()
    assert [(letter.value, letter.headers["reason"]) for letter in trial.letters()] == [(late, b"late")]
    assert all(b"/late" not in (value or b"") for value in trial.out())
    after = trial.windows()
    assert [one for one in after if one in before] == before
    new = {(one["path"], one["start"][11:16]): one["views"] for one in after if one not in before}
    assert new == {("/just", "11:30"): 1, ("/end", "11:40"): 1}


def test_a_longer_lateness_takes_no_view_for_a_window_that_is_closed_and_a_shorter_gap_costs_no_session(
    trial: Views,
) -> None:
    trial.put(sent([line("ann", 10), line("eve", 2000), line("bob", 3000), line("cat", 3010)]))
    trial.go()
    closed = line("late", 2399)
    trial.put(sent([closed, line("dan", 2410)]))
    trial.go(lateness=2 * LATENESS)
    assert [(letter.value, letter.headers["reason"]) for letter in trial.letters()] == [(closed, b"late")]
    trial.put(sent([END]))
    trial.go(gap=60, lateness=LATENESS)
    assert [one["views"] for one in trial.windows()] == [1, 1, 1, 2]
    assert {(one.user, one.begin - FIRST) for one in trial.sessions()} == {
        ("ann", 10),
        ("bob", 3000),
        ("cat", 3010),
        ("dan", 2410),
        ("eve", 2000),
    }


def many(rng: Random, number: int) -> list[bytes]:
    return [
        line(f"u{rng.randrange(40)}", at, rng.choice(("/", "/a", "/b")), rng.choice(("", NEWS, "?utm_source=x")))
        for at in sorted(rng.randrange(20_000) for _ in range(number))
    ]


def test_views_that_are_shuffled_within_the_watermark_end_as_in_order_however_batches_are_cut(trial: Views) -> None:
    rng = Random(4)
    views = many(rng, 2000)
    shuffled = [views[number] for _, number in sorted((n + rng.randrange(50), n) for n in range(len(views)))]
    trial.put(sent(shuffled))
    trial.put(sent([line("end", 40_000)]))
    trial.go(MAX_RECORDS_PER_BATCH="500")
    expected = told_again.windows(views, GAP)
    assert told_again.differences(trial.windows(), expected) == []
    assert len(expected) > 100
    assert trial.sessions() == told_again.sessions(views, GAP)
    assert trial.letters() == []
    assert trial.files().keys() == {f"{number}.json" for number in range(1, 401)}


@dataclass
class Faulty:
    """Raises where a batch's steps end, each time once."""

    step: int = 0
    due: int = 0

    def after(self, found: Any) -> Any:
        self.step += 1
        if self.step > self.due:
            self.step, self.due = 0, self.due + 1
            raise Transient("a fault of the tests")
        return found


def test_a_batch_that_died_after_any_of_its_steps_ends_as_if_it_had_not(
    trial: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = many(Random(5), 300)
    trial.put(sent(views[::2]))
    trial.put(sent([*views[1::2], END], partition=1))
    fault = Faulty()
    for place, name in ((RunningBatch, "wrote"), (Waiting, "leave"), (Batches, "take")):
        monkeypatch.setattr(place, name, _failing(getattr(place, name), fault))
    monkeypatch.setattr(service, "MOST", 2)
    died = len(trial.go(MAX_RECORDS_PER_BATCH="120").errors)
    assert died >= 5, "after views, sessions, windows, the note, files"
    told = [json.loads(value or b"") for value in trial.out()]
    found = Counter((one["anonymousUserId"], told_again.seconds(one["time"])) for one in told)
    assert found == Counter((one.user, one.at) for one in map(told_again.view, [*views, END]))
    assert told_again.differences(trial.windows(), told_again.windows(views, GAP)) == []
    assert trial.sessions() == told_again.sessions(views, GAP)
    assert len(trial.files()) == 60
    folder = trial.folder / "checkpoint" / "page-views" / "waiting"
    left = {path.name for path in folder.glob("*.arrow")}
    newest, before = json.loads((folder / NOTE).read_bytes())
    named = {name for state in (newest, before) for name in (*state["batches"], *state["parts"])}
    assert named <= left
    others = {batch_of(name) for name in left - named}
    assert others <= {newest["batch"]}, "what nothing speaks of is gone, with the next batch that closes windows"


def _failing(step: Callable[..., Any], fault: Faulty) -> Callable[..., Any]:
    return lambda *given: fault.after(step(*given))


def test_a_lost_checkpoint_repeats_neither_letters_nor_views_nor_windows_nor_files(trial: Views) -> None:
    trial.put(sent([*MORNING, b"bad"]))
    trial.go()
    first = (trial.out(), trial.windows(), len(trial.letters()), trial.files(), trial.sessions())
    assert first[-1].total() == 1
    shutil.rmtree(trial.folder / "checkpoint")
    trial.go(MAX_RECORDS_PER_BATCH="3")
    assert (trial.out(), trial.windows(), len(trial.letters()), trial.files(), trial.sessions()) == first


def test_the_tables_hold_each_row_once_however_often_they_are_loaded_and_answer_the_web_team(trial: Views) -> None:
    views = many(Random(7), 600)
    end = line("end", 40_000, "/users/end@example.org", "?utm_source=end@example.org")
    trial.put(sent([*views, end]))
    trial.go()
    assert trial.loader().take() == 601 + len(trial.windows()) + trial.sessions().total()
    assert trial.loader().take() == 0
    shutil.rmtree(trial.folder / "checkpoint")
    trial.go(MAX_RECORDS_PER_BATCH="300")
    assert trial.loader().take() == 0
    asked = Asked(trial.lake)
    assert tables.differences(trial.lake, views, GAP, SECRET, [end]) == []
    assert asked.ask("SELECT count(*) FROM dim_page WHERE path LIKE '%(address)'") == [(1,)]
    kept = [path.read_bytes() for path in (trial.folder / "warehouse").rglob("*") if path.is_file()]
    assert not [content for content in kept if b"example.org" in content or b"u39" in content]
    users, sessions, per_session = questions()
    day = ("2018-08-21", "2018-08-22")
    seen = list(map(told_again.view, views))
    by_path = {(path, len({one.user for one in seen if one.path == path})) for path in ("/", "/a", "/b")}
    assert {(path, number) for path, _, number in asked.ask(users, *day)} == by_path | {("/users/(address)", 1)}
    told = told_again.sessions(views, GAP)
    assert {row[0]: row[1] for row in asked.ask(sessions, *day)} == {
        (name or "(none)"): sum(count for one, count in told.items() if one.source == name)
        for name in {one.source for one in told}
    }
    ((browser, number, mean),) = asked.ask(per_session, *day)
    assert (browser, number) == ("Chrome", told.total())
    assert mean == pytest.approx(len(views) / told.total())


def test_unique_users_of_any_span_are_those_of_its_windows_together(trial: Views) -> None:
    crowd = [line(f"u{number % 3000}", number % 20_000, f"/{number % 3}") for number in range(12_000)]
    trial.put(sent([*crowd, line("end", 40_000)]))
    trial.go()
    trial.loader().take()
    client = client_options(trial.settings())
    spans = (("11:00", "18:00", None), ("12:00", "12:25", None), ("12:02", "12:04", "/1"))
    for begin, end, path in spans:
        first, last = (datetime.fromisoformat(f"2018-08-21T{moment}") for moment in (begin, end))
        span = Span.of(first, last, path)
        parts = list(of_table(trial.lake, span))
        found = summed(parts)
        within = [one for one in map(told_again.view, crowd) if span.begin.timestamp() <= one.at < span.end.timestamp()]
        true = {one.user for one in within if path in (None, one.path)}
        assert found.users == pytest.approx(len(true), rel=0.02)
        assert found.lower <= len(true) <= found.upper
        again = summed(of_topic(client, span, trial.aggregates))
        assert (again.windows, again.views, again.sessions) == (found.windows, found.views, found.sessions)
        assert again.users == pytest.approx(len(true), rel=0.02)
        assert found.views == len([one for one in within if path in (None, one.path)])
