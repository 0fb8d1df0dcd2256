"""How many ids are left in the written tables: at the end of an AUTO_INCREMENT the stream stops."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from pipeline.mysql.database import translated
from pipeline.mysql.id_range import id_range


def ids_left(connection: Any, tables: Iterable[str]) -> dict[str, float]:
    """Table → share of its ids that is left, of those with an AUTO_INCREMENT. Raises `Transient`, `Halted`."""
    found = {}
    with translated(), closing(connection.cursor()) as cursor:
        for table in tables:
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            ((_, made),) = cursor.fetchall()
            ids = id_range(str(made))
            if ids is not None:
                found[table] = ids.share_left
    return found
