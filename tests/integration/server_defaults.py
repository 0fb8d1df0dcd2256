"""A server whose defaults somebody has changed, to what does the most harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.schema import Schema

STATEMENTS = (
    "unique_checks = 0",
    "foreign_key_checks = 0",
    "sql_select_limit = 1",
    "max_join_size = 1",
    "sql_safe_updates = 1",
    "sql_auto_is_null = 1",
    "completion_type = 2",
    "lc_messages = 'de_DE'",
    "TRANSACTION READ ONLY",
    "TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "time_zone = '+05:00'",
    "autocommit = 1",
    "innodb_lock_wait_timeout = 1",
    "init_connect = 'SET sql_quote_show_create = 0, foreign_key_checks = 0'",
)


@contextmanager
def changed(schema: Schema) -> Iterator[None]:
    """The server with these defaults for whoever comes new."""
    administrator = schema.connect(autocommit=True)
    with closing(administrator), closing(administrator.cursor()) as cursor:
        names = [statement.split(" = ")[0] for statement in STATEMENTS if " = " in statement]
        names += ["max_join_size", "sql_big_selects", "autocommit"]
        cursor.execute(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(map(repr, names))})")
        before = {name: value if value.isdecimal() else repr(value) for name, value in cursor.fetchall()}
        try:
            for statement in STATEMENTS:
                cursor.execute(f"SET GLOBAL {statement}")
            yield
        finally:
            for name, value in sorted(before.items()):
                cursor.execute(f"SET GLOBAL {name} = {value}")
            cursor.execute("SET GLOBAL TRANSACTION READ WRITE")
            cursor.execute("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
