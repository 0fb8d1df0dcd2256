"""How many ids are left in the written tables: at the end of an AUTO_INCREMENT the stream stops."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final

from pipeline.mysql.database import translated

BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}

_COLUMN: Final = re.compile(r"^\s*`[^`]+` (\w+)(?:\(\d+\))?( unsigned)?.* AUTO_INCREMENT\b", re.MULTILINE)
_NEXT: Final = re.compile(r"^\).* AUTO_INCREMENT=(\d+)", re.MULTILINE)


def ids_left(connection: Any, tables: Iterable[str]) -> dict[str, float]:
    """Table → share of its ids that is left, of those with an AUTO_INCREMENT. Raises `Transient`, `Halted`.

    SHOW CREATE TABLE knows the next id as it is; information_schema may be a day behind on MySQL, and the highest id in
    the table says nothing of those that were rolled back.
    """
    found = {}
    with translated(), closing(connection.cursor()) as cursor:
        for table in tables:
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            ((_, made),) = cursor.fetchall()
            share = share_left(made)
            if share is not None:
                found[table] = share
    return found


def share_left(made: str) -> float | None:
    """Of a table made by this statement; None where it has no AUTO_INCREMENT."""
    column = _COLUMN.search(made)
    if column is None:
        return None
    kind, unsigned = column[1], column[2]
    highest: int = 2 ** (BITS[kind.lower()] - (not unsigned)) - 1
    following = _NEXT.search(made)
    used = int(following[1]) - 1 if following else 0
    return max(0.0, 1 - used / highest)
