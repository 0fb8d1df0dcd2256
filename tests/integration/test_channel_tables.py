"""The tables of the channel statistics: they only go forward, whoever writes, and keep apart what is apart."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

import migrations
from channel_stats.latest import DAILY, MONTHLY, Count, Key, Period, moment
from channel_stats.tables import Tables
from migrations.yt import YT, prepare
from pipeline.mysql.location import parse_mysql_location
from pipeline.runtime.errors import Fatal, Transient
from producers.harvests import ODD_NAMES
from tests.channels import tables as yt
from tests.channels import told_again
from tests.schema import Schema
from tests.servers import HERE, ROOT

AT = 1_501_639_200
"""2017-08-02T02:00:00Z."""
DAY = "2017-08-02"
OLD_DAILY = (
    "CREATE TABLE yt_daily (harvest_ts DATETIME, channel {channel} NOT NULL, date DATETIME NOT NULL, subs INT, "
    "PRIMARY KEY (channel, date))"
)


@pytest.fixture
def schema(database_server: Schema) -> Iterator[Schema]:
    made = yt.migrated(database_server)
    yield made
    made.drop()


@pytest.fixture
def old(database_server: Schema) -> Iterator[Schema]:
    made = yt.empty(database_server)
    yield made
    made.drop()


def row(channel: str, subs: int, at: int = AT, period: Period = DAILY) -> tuple[Key, Count]:
    return Key(channel, period.span(at)), Count(at, subs)


@pytest.mark.parametrize("period", [DAILY, MONTHLY])
def test_any_order_pieces_and_number_of_writers_end_in_the_same_rows(schema: Schema, period: Period) -> None:
    random = Random(1)
    rows = [
        row(f"c{random.randrange(30)}", random.randrange(4), AT + random.randrange(200_000), period)
        for _ in range(3_000)
    ]
    right: dict[Key, Count] = {}
    for key, count in rows:
        right[key] = max(right.get(key, count), count)

    def write(seed: int) -> None:
        tables, shuffled = yt.tables(schema, period), Random(seed).sample(rows, len(rows))
        for first in range(0, len(shuffled), 250):
            known: dict[Key, Count] = {}
            for key, count in shuffled[first : first + 250]:
                known[key] = max(known.get(key, count), count)
            assert tables.put(known.items(), told=seed % 2 == 0) == 0

    with ThreadPoolExecutor(4) as together:
        list(together.map(write, range(4)))
    assert told_again.of_table(schema, period.name) == {tuple(k): (moment(c.at), c.subs) for k, c in right.items()}
    assert yt.tables(schema, period).told(right) == right


def test_a_newer_harvest_is_never_overwritten_and_of_one_moment_the_larger_count_stays(schema: Schema) -> None:
    tables = yt.tables(schema, DAILY)
    tables.put([row("a", 5), row("b", 5), row("c", 5)])
    tables.put([row("a", 9, AT - 1), row("b", 4), row("c", 6)])
    tables.put([row("a", 0, AT + 1)])
    found = {channel: (at[11:], subs) for (channel, _), (at, subs) in told_again.of_table(schema, "yt_daily").items()}
    assert found == {"a": ("02:00:01", 0), "b": ("02:00:00", 5), "c": ("02:00:00", 6)}


def test_channels_are_kept_apart_whatever_the_schema_takes_for_one(database_server: Schema) -> None:
    """The server's default takes all of them that differ by case, accent or a blank at the end for one."""
    schema = yt.empty(database_server)
    schema.execute(f"ALTER DATABASE `{schema.name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    migrations.upgrade(schema.url, YT)
    for period in (DAILY, MONTHLY):
        tables = yt.tables(schema, period)
        rows = [row(name, subs, period=period) for subs, name in enumerate([*ODD_NAMES, "a\0b", "\U0010ffff" * 100])]
        assert tables.put(rows, told=True) == 0
        assert tables.put(rows, told=True) == 0
        assert {(k[0], s) for k, (_, s) in told_again.of_table(schema, period.name).items()} == {
            (key.channel, count.subs) for key, count in rows
        }
        assert tables.told([key for key, _ in rows]) == dict(rows)
        assert tables.told([Key("NEW_YORK_TIMES", period.span(AT))]) == {}
    schema.drop()


@pytest.mark.parametrize("channel", ["VARCHAR(100)", "VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"])
def test_an_existing_table_keeps_its_rows_and_its_form(old: Schema, channel: str) -> None:
    old.execute(OLD_DAILY.format(channel=channel))
    old.execute(
        "INSERT INTO yt_daily VALUES ('2017-08-02 03:00:00', 'a', '2017-08-02', 7), (NULL, 'n', '2017-08-02', NULL)"
    )
    before = old.query("SHOW CREATE TABLE yt_daily")
    migrations.upgrade(old.url, YT)
    migrations.upgrade(old.url, YT)
    assert old.query("SHOW CREATE TABLE yt_daily") == before
    tables = yt.tables(old, DAILY)
    tables.probe()
    assert tables.put([row("a", 9), row("b", 1), row("n", 3)]) == 0
    found = {channel: (at[11:13], subs) for (channel, _), (at, subs) in told_again.of_table(old, "yt_daily").items()}
    assert found == {"a": ("03", 7), "b": ("02", 1), "n": ("02", 3)}
    assert old.query("SELECT COUNT(*) FROM yt_monthly") == [(0,)]


def test_where_an_existing_table_takes_two_channels_for_one_the_row_stays_the_first_s_and_that_is_counted(
    old: Schema,
) -> None:
    made = OLD_DAILY.format(channel="VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    old.execute(made.replace("PRIMARY KEY", "UNIQUE KEY"))
    migrations.upgrade(old.url, YT)
    tables = yt.tables(old, DAILY)
    tables.probe()
    assert tables.put([row("news", 1)], told=True) == 0
    assert tables.put([row("News", 9, AT + 60), row("other", 2), row("news", 3, AT + 5)], told=True) == 1
    found = {channel: subs for (channel, _), (_, subs) in told_again.of_table(old, "yt_daily").items()}
    assert found == {"news": 3, "other": 2}
    assert len(tables.told([Key("news", DAY), Key("News", DAY)])) == 2, "the topic tells of both"
    assert (tables.folds(), yt.tables(old, MONTHLY).folds()) == ("utf8mb4_general_ci", None)


@pytest.mark.parametrize("channel", ["VARCHAR(100) CHARACTER SET latin1", "VARCHAR(12)"])
def test_what_an_existing_table_refuses_costs_nobody_else_a_row(old: Schema, channel: str) -> None:
    old.execute(OLD_DAILY.format(channel=channel))
    migrations.upgrade(old.url, YT)
    tables = yt.tables(old, DAILY)
    names = [f"c{number}" for number in range(50)]
    refused = "🎬 films, and more"
    assert tables.put([*(row(name, 1) for name in names), row(refused, 1)], told=True) == 1
    assert {channel for channel, _ in told_again.of_table(old, "yt_daily")} == set(names)
    assert len(tables.told([Key(refused, DAY), Key("c7", DAY)])) == 2


def test_a_table_without_a_unique_key_of_channel_and_span_is_refused_with_what_to_do(old: Schema) -> None:
    with pytest.raises(Fatal, match=r"yt_daily is missing .* run `python -m migrations yt`"):
        yt.tables(old, DAILY).probe(notes=False)
    old.execute(
        "CREATE TABLE yt_daily (harvest_ts DATETIME, channel VARCHAR(100), date DATETIME, subs INT, "
        "INDEX (channel, date))"
    )
    migrations.upgrade(old.url, YT)
    with pytest.raises(Fatal, match="has no unique index of channel and date"):
        yt.tables(old, DAILY).probe()
    yt.tables(old, MONTHLY).probe()


def test_a_service_that_starts_makes_what_is_missing_where_it_may_and_says_what_to_do_where_not(
    old: Schema,
) -> None:
    where = parse_mysql_location(old.url)
    prepare(where)
    prepare(where)
    yt.tables(old, DAILY).probe()
    user = f"reader_{old.name}"
    old.add_user(user, "secret")
    old.execute("DROP TABLE channel_stats_revision")
    old.execute(f"GRANT SELECT ON `{old.name}`.* TO {user}")
    with pytest.raises(Fatal, match=r"this user may not change that .*: run `python -m migrations yt`"):
        prepare(parse_mysql_location(f"mysql://{user}:secret@{old.host}:{old.port}/{old.name}"))
    old.execute(f"DROP USER {user}")


def test_a_server_that_is_away_is_waited_for() -> None:
    with pytest.raises(Transient):
        prepare(parse_mysql_location(f"mysql://root:test@{HERE}:1/yt"))


def test_the_command_makes_the_tables_and_is_repeated_at_no_cost(old: Schema) -> None:
    command = [sys.executable, "-m", "migrations", "yt"]
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, env=old.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"schema {old.name} is at revision 0001" in done.stderr
    assert {name for (name,) in old.query("SHOW TABLES")} == {*YT.needed, YT.table}


def test_a_connection_that_is_lost_on_the_way_is_made_anew_and_nothing_is_missing(schema: Schema) -> None:
    tables: Tables = yt.tables(schema, DAILY)
    rows = [row(f"c{number}", 1) for number in range(10)]
    tables.put(rows[:5])
    for connection, _, _, name, *_ in schema.query("SHOW PROCESSLIST"):
        if name == schema.name:
            try:
                schema.execute(f"KILL {connection}")
            except Exception:  # noqa: BLE001 - its own, which ends with that
                continue
    tables.put(rows)
    assert len(told_again.of_table(schema, "yt_daily")) == 10
