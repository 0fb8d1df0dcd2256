"""The tables of the page views as an analyst's DuckDB sees them: through PyIceberg, without Spark."""

from __future__ import annotations

import re
from typing import Any

import duckdb

from page_views.names import TABLES
from pipeline.lake.lake import Lake
from tests.servers import ROOT

PAGE = ROOT / "docs" / "page-views.md"


class Asked:
    """All tables at hand, as they are now."""

    def __init__(self, lake: Lake) -> None:
        self._database = duckdb.connect()
        self._database.execute("SET TimeZone = 'UTC'")
        catalog = lake.catalog()
        for name in TABLES:
            self._database.register(name.partition(".")[2], catalog.load_table(name).scan().to_arrow())

    def ask(self, sql: str, *given: object) -> list[tuple[Any, ...]]:
        return self._database.execute(sql, given).fetchall()


def questions() -> list[str]:
    """The SQL of the documentation, in its order."""
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
