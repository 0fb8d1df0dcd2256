"""The SQL of the table of a period and of its notes: the same text for MySQL and MariaDB. `%s` is rows, as JSON.

A row takes a count that is greater than its own, by moment and then by subscribers, and no other. `subs` is assigned
before `harvest_ts`, which it is compared by. The same channel is one of the same bytes, whatever the table's collation
takes for one.
"""

from __future__ import annotations

from typing import Final

from channel_stats.latest import Period

_TAKEN: Final = (
    "INSERT INTO `{table}` (channel, `{span}`, harvest_ts, subs) "
    "SELECT {channel}, n.span, n.at, n.subs FROM JSON_TABLE(%s, '$[*]' COLUMNS (channel {kind} PATH '$[0]', "
    "span VARCHAR(10) PATH '$[1]', at DATETIME PATH '$[2]', subs INT PATH '$[3]')) AS n "
    "ON DUPLICATE KEY UPDATE "
    "subs = IF({same} AND (`{table}`.harvest_ts IS NULL OR n.at > `{table}`.harvest_ts "
    "OR n.at = `{table}`.harvest_ts AND n.subs > COALESCE(`{table}`.subs, -1)), n.subs, `{table}`.subs), "
    "harvest_ts = IF({same}, GREATEST(COALESCE(`{table}`.harvest_ts, n.at), n.at), `{table}`.harvest_ts)"
)
_TOLD: Final = (
    "SELECT STRAIGHT_JOIN t.channel, t.span, t.harvest_ts, t.subs "
    "FROM (SELECT UNHEX(n.channel) AS channel, n.span FROM JSON_TABLE(%s, '$[*]' COLUMNS ("
    "channel VARCHAR(800) CHARACTER SET ascii PATH '$[0]', "
    "span VARCHAR(10) CHARACTER SET ascii PATH '$[1]')) AS n) AS wanted STRAIGHT_JOIN "
    "`{table}` AS t FORCE INDEX (PRIMARY) ON t.channel = wanted.channel AND t.span = wanted.span"
)
_FOLDED: Final = (
    "SELECT COUNT(*) FROM JSON_TABLE(%s, '$[*]' COLUMNS (channel VARCHAR(100) CHARACTER SET utf8mb4 PATH '$[0]', "
    "span VARCHAR(10) PATH '$[1]')) AS n STRAIGHT_JOIN `{table}` "
    "ON `{table}`.channel = CONVERT(n.channel USING {characters}) COLLATE {collation} AND `{table}`.`{span}` = n.span "
    "WHERE NOT {same}"
)
UNIQUE: Final = (
    "SELECT index_name AS name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %s "
    "AND non_unique = 0 GROUP BY index_name "
    "HAVING COUNT(*) = 2 AND SUM(column_name IN ('channel', %s) AND sub_part IS NULL) = 2"
)
"""Given a table and its column of spans: the unique indexes of channel and span."""
COLLATION: Final = (
    "SELECT character_set_name, collation_name FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND table_name = %s AND column_name = 'channel'"
)
"""Given a table: characters and collation of its channels."""
EXACT: Final = frozenset({"utf8mb4_0900_bin", "utf8mb4_nopad_bin"})
"""Collations in which no two channels are one; those of the tables that the migrations make."""


def notes_of(period: Period) -> str:
    """The table of what the topic has told."""
    return f"{period.name}_told"


def take(period: Period) -> str:
    """Rows of channel, span, moment and subscribers into the table."""
    kind = "VARCHAR(100) CHARACTER SET utf8mb4"
    return _TAKEN.format(table=period.name, span=period.column, channel="n.channel", kind=kind, same=_same(period))


def note(period: Period) -> str:
    """The same rows into the notes, with the channel in hex."""
    kind = "VARCHAR(800) CHARACTER SET ascii"
    return _TAKEN.format(table=notes_of(period), span="span", channel="UNHEX(n.channel)", kind=kind, same="TRUE")


def told(period: Period) -> str:
    """What the notes have of rows of channel, in hex, and span."""
    return _TOLD.format(table=notes_of(period))


def folded(period: Period, characters: str, collation: str) -> str:
    """How many of the rows that were taken have none of their own, since another channel has it."""
    names = {"table": period.name, "span": period.column, "same": _same(period)}
    return _FOLDED.format(characters=characters, collation=collation, **names)


def _same(period: Period) -> str:
    return f"CAST(CONVERT(`{period.name}`.channel USING utf8mb4) AS BINARY) = CAST(n.channel AS BINARY)"
