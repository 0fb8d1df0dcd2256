"""Session variables that correctness rests on: set on every connection and read back, whatever the server's policy.

A connection inherits the server's defaults, and an `init_connect` may change them. Not among these are limits of time
(a statement that is cut off is tried again) and `auto_increment_increment` (a Galera cluster needs its own).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pipeline.runtime.errors import Halted

UNLIMITED: Final = "18446744073709551615"


class Setting(NamedTuple):
    """A variable, and its value as SHOW VARIABLES says it (`sql_mode`: comma-separated, in any order).

    `ours`: servers do not come with this value. `everywhere`: every server has the variable.
    """

    name: str
    value: str
    ours: bool = False
    everywhere: bool = True


STRICT: Final = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO"
LENIENT: Final = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ALLOW_INVALID_DATES"
"""For changes of tables that may hold dates of before which are none."""

UNCUT: Final = (
    Setting("max_join_size", UNLIMITED),
    Setting("sql_big_selects", "ON"),  # has to come behind max_join_size, which turns it off
    Setting("sql_select_limit", UNLIMITED),  # else a chunk of many accounts finds some of them only
)
"""Set first and unseen: without them the server answers even SHOW VARIABLES in part, or not at all."""

COMMON: Final = (
    *UNCUT,
    Setting("transaction_read_only", "OFF"),  # a session keeps what the server was when it began
    Setting("completion_type", "NO_CHAIN"),  # CHAIN begins the next transaction, RELEASE ends the connection
    Setting("unique_checks", "ON"),  # OFF lets InnoDB buffer an INSERT and not find that an event is there
    Setting("foreign_key_checks", "ON"),
    Setting("sql_safe_updates", "OFF"),  # refuses an UPDATE by a join, whatever index it is told to take
    Setting("check_constraint_checks", "ON", everywhere=False),  # MariaDB
    Setting("sql_auto_is_null", "OFF", everywhere=False),
    Setting("sql_quote_show_create", "ON", everywhere=False),  # headroom reads SHOW CREATE TABLE
    Setting("lc_messages", "en_US", everywhere=False),
    *(Setting(f"character_set_{part}", "utf8mb4", ours=True) for part in ("client", "connection", "results")),
    Setting("collation_connection", "utf8mb4_general_ci", ours=True),
    Setting("time_zone", "+00:00", ours=True),
    Setting("autocommit", "OFF", ours=True),
)

SERVICE: Final = (
    *COMMON,
    Setting("transaction_isolation", "READ-COMMITTED", ours=True),
    Setting("sql_mode", STRICT, ours=True),
    Setting("use_secondary_engine", "OFF", ours=True, everywhere=False),  # MySQL HeatWave's copy lags behind
    Setting("wait_timeout", "30", ours=True),
    Setting("innodb_lock_wait_timeout", "5", ours=True),
)
"""Of the service and its commands."""

MIGRATIONS: Final = (
    *COMMON,
    Setting("sql_mode", LENIENT, ours=True),
    Setting("default_storage_engine", "InnoDB"),
    Setting("alter_algorithm", "DEFAULT", everywhere=False),  # MariaDB
    Setting("max_statement_time", "0.000000", everywhere=False),  # MariaDB; an ALTER TABLE takes as long as it takes
    Setting("max_execution_time", "0", everywhere=False),  # MySQL
)

_FREE: Final = frozenset({"TRADITIONAL", "NO_AUTO_CREATE_USER", "NO_ENGINE_SUBSTITUTION", ""})
"""Of sql_mode: nothing here depends on them."""
_ALIASES: Final = {"tx_isolation": "transaction_isolation", "tx_read_only": "transaction_read_only"}
"""Their names on MariaDB before 11.1, which has no others."""


def keep(cursor: Any, settings: Sequence[Setting]) -> None:
    """Set all of them on the cursor's connection and read them back. Raises the connector's errors.

    Raises `Halted`, naming those that the server did not take. Leaves a transaction open.
    """
    cursor.execute(_set(UNCUT, {}))
    found = _read(cursor, settings)
    if wrong := _wrong(settings, found):
        cursor.execute(_set(wrong, found))
        found = _read(cursor, settings)
    if wrong := _wrong(settings, found):
        told = (f"{one.name} is {found[one.name].value if one.name in found else 'unknown'}" for one in wrong)
        raise Halted("the database does not keep the session settings: " + ", ".join(told))


def changed_at_the_server(cursor: Any) -> dict[str, str]:
    """Variable → the server's default, of those that somebody has changed there: other clients inherit them."""
    untouched = [setting for setting in SERVICE if not setting.ours]
    found = _read(cursor, untouched, "GLOBAL")
    return {one.name: found[one.name].value for one in _wrong(untouched, found) if one.name in found}


class _Found(NamedTuple):
    """A variable as this server has it. `own`: what it is called there."""

    own: str
    value: str


def _read(cursor: Any, settings: Sequence[Setting], scope: str = "SESSION") -> dict[str, _Found]:
    wanted = {setting.name for setting in settings}
    own = sorted(wanted | {alias for alias, name in _ALIASES.items() if name in wanted})
    cursor.execute(f"SHOW {scope} VARIABLES WHERE Variable_name IN ({', '.join(repr(name) for name in own)})")
    return {_ALIASES.get(name, name): _Found(name, str(value)) for name, value in cursor.fetchall()}


def _wrong(settings: Sequence[Setting], found: Mapping[str, _Found]) -> list[Setting]:
    return [
        one
        for one in settings
        if (one.everywhere if one.name not in found else _flags(one.name, found[one.name].value) != _flags(*one[:2]))
    ]


def _flags(name: str, value: str) -> object:
    return set(value.split(",")) - _FREE if name == "sql_mode" else value


def _set(settings: Iterable[Setting], names: Mapping[str, _Found]) -> str:
    def literal(value: str) -> str:
        return value if value in ("ON", "OFF") or value.replace(".", "").isdecimal() else f"'{value}'"

    own = ((names[one.name].own if one.name in names else one.name, literal(one.value)) for one in settings)
    return "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in own)
