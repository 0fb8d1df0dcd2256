"""What a server is asked while something runs: the statements as they came, from its own log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.schema import Schema

_NUMBERS: Final = re.compile(r"0x[0-9a-fA-F]+|\b\d+(\.\d+)?\b")
_TEXTS: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_LISTS: Final = re.compile(r"\(\s*(\?|_binary \?|NULL)(\s*,\s*(\?|_binary \?|NULL))*\s*\)(\s*,\s*\(.*?\))*")


@contextmanager
def recorded(schema: Schema) -> Iterator[list[str]]:
    """The statements of every connection to this schema; complete after the context. Takes the right SUPER."""
    statements: list[str] = []
    ((before,),) = schema.query("SELECT @@GLOBAL.log_output")
    schema.execute("TRUNCATE TABLE mysql.general_log")
    schema.execute("SET GLOBAL log_output = 'TABLE'")
    schema.execute("SET GLOBAL general_log = 1")
    ours = {thread for thread, _, _, name, *_ in schema.query("SHOW PROCESSLIST") if name == schema.name}
    try:
        yield statements
    finally:
        schema.execute("SET GLOBAL general_log = 0")
        schema.execute(f"SET GLOBAL log_output = '{before}'")
    logged = schema.query("SELECT thread_id, command_type, argument FROM mysql.general_log")
    lines = [(thread, kind, _text(argument)) for thread, kind, argument in logged]
    ours |= {thread for thread, kind, text in lines if kind == "Connect" and f" on {schema.name} " in text}
    statements += [text for thread, kind, text in lines if kind == "Query" and thread in ours]


def shape(statement: str) -> str:
    """The statement without its values: two of one shape are one statement."""
    without = _NUMBERS.sub("?", _TEXTS.sub("?", statement))
    return " ".join(_LISTS.sub("(…)", without).split())


def explained(connection: Any, statement: str) -> list[dict[str, Any]]:
    """The plan of a statement, a row for each table; newer MySQLs draw a tree unless asked. Nothing is run."""
    with connection.cursor(dictionary=True) as cursor:
        cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {statement}")
        plan: list[dict[str, Any]] = cursor.fetchall()
    connection.rollback()
    return plan


def _text(argument: object) -> str:
    return argument.decode(errors="replace") if isinstance(argument, bytes | bytearray) else str(argument)
