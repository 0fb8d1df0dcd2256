"""The channel statistics: a backlog into topics and tables, the upsert by itself, and a year."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from benchmarks.analytics import backlog, runs
from benchmarks.results import Goal, Result
from channel_stats.latest import DAILY, MONTHLY, Count, Key, Period
from channel_stats.tables import Tables
from demo.channel_ground import ChannelGround, channel_ground
from pipeline.kafka.reading import Range, read
from pipeline.kafka.topics import Topics
from pipeline.mysql.database import Database
from producers.harvests import TOPIC

if TYPE_CHECKING:
    from benchmarks.analytics.bench import Bench

SERVICE: Final = (*runs.SERVICE, "channel-stats")
CHANNELS: Final = 50_000
OFTEN, SELDOM = 6, 24
"""Hours between two harvests of a channel."""
YEAR: Final = 365
ROWS: Final = 100_000


def measured(bench: Bench) -> list[Result]:
    """Harvests of `CHANNELS` channels into both topics and both tables; rows into one table, new and again."""
    with channel_ground() as here:
        prepare(here)
        rows = _upserts(bench, here)
        result = _path(bench, here, bench.messages, OFTEN)
    goals = [Goal(f"{one.name} at least 15,000 rows/s", one.figure, (one.rate or 0) >= 15_000) for one in rows]
    reached = (result.rate or 0) >= 20_000
    bench.goals += [Goal("channel statistics at least 20,000 harvests/s", result.figure, reached), *goals]
    return [result, *rows]


def year(bench: Bench) -> list[Result]:
    """A harvest a day of each channel, for a year: each is a new row of a day, and memory is not to grow."""
    with channel_ground() as here:
        prepare(here)
        return [_path(bench, here, YEAR * CHANNELS, SELDOM)]


def prepare(here: ChannelGround) -> None:
    """Topics, schemas and tables."""
    backlog.make(here.kafka.bootstrap, [TOPIC, DAILY.name, MONTHLY.name], 4)
    here.ran("-m", "channel_stats", "register")
    here.ran("-m", "migrations", "yt")


def _path(bench: Bench, here: ChannelGround, number: int, hours: int) -> Result:
    backlog.fill_keyed(here.kafka.bootstrap, TOPIC, backlog.harvests(number, CHANNELS, hours))
    environment = {**here.environment, "DRIVER_MEMORY": "1g"}
    window = runs.caught_up(SERVICE, environment)
    seconds = window[1] - window[0]
    rate = number / seconds
    _expect(here, number, hours)
    _memory(bench, window)
    use = bench.watch.use(*window)._replace(seconds=seconds)
    facts: dict[str, object] = {"window": window, "told": {one.name: _told(here, one) for one in (DAILY, MONTHLY)}}
    what = f"{CHANNELS:,} channels → 2 topics, 2 tables"
    return Result("channel-stats", what, f"{rate:,.0f}/s ({seconds:.1f} s)", use, number, rate, facts)


def _memory(bench: Bench, window: tuple[float, float]) -> None:
    """No more in the last quarter than in the second, but for a tenth."""
    for kind in ("driver", "worker", "JVM"):
        sizes = bench.watch.resident(*window).get(kind, [0.0])
        quarter = max(1, len(sizes) // 4)
        before, after = max(sizes[quarter : 2 * quarter] or sizes), max(sizes[-quarter:])
        found = f"{before:.0f} → {after:.0f} MiB"
        bench.goals.append(Goal(f"memory of a {kind} does not grow", found, after <= 1.1 * before + 16))


def _expect(here: ChannelGround, number: int, hours: int) -> None:
    turns = -(-number // CHANNELS)
    moments = [backlog.HARVESTED + timedelta(hours=hours * turn) for turn in range(turns)]
    last = number - (turns - 1) * CHANNELS
    for table, form in ((DAILY.name, "%Y-%m-%d"), (MONTHLY.name, "%Y-%m")):
        spans = {f"{moment:{form}}" for moment in moments}
        before = {f"{moment:{form}}" for moment in moments[:-1]}
        wanted = len(before) * CHANNELS + (last if len(spans) > len(before) else 0)
        ((found,),) = here.schema.query(f"SELECT COUNT(*) FROM {table}")
        if found != (wanted if turns > 1 else last):
            raise RuntimeError(f"{table}: {found:,} rows, and not the {wanted:,} that were to be there")


def _upserts(bench: Bench, here: ChannelGround) -> list[Result]:
    """One connection, as a task has it: rows that are new, then the same newer."""
    where = here.schema
    tables = Tables(Database(where.host, where.port, where.user, where.password, where.name), DAILY)
    found = [
        _clocked(bench, "rows, new", tables, list(_rows(DAILY, 0))),
        _clocked(bench, "rows, newer", tables, list(_rows(DAILY, 60))),
    ]
    where.execute("DELETE FROM yt_daily")
    return found


def _clocked(bench: Bench, name: str, tables: Tables, rows: list[tuple[Key, Count]]) -> Result:
    began = time.monotonic()
    tables.put(rows)
    ended = time.monotonic()
    rate = len(rows) / (ended - began)
    what = "the upsert by itself, one connection"
    return Result(name, what, f"{rate:,.0f} rows/s", bench.watch.use(began, ended), len(rows), rate)


def _rows(period: Period, later: int) -> Iterator[tuple[Key, Count]]:
    at = int(backlog.HARVESTED.timestamp()) + later
    return ((Key(f"channel-{number}", period.span(at)), Count(at, number)) for number in range(ROWS))


def _told(here: ChannelGround, period: Period) -> int:
    """How many records its topic holds: millions, which are not held at once."""
    topics = Topics(here.client)
    ends = topics.latest(topics.existing([period.name])[period.name].places)
    return sum(1 for _ in read(here.client, {place: Range(0, end) for place, end in ends.items() if end}))
