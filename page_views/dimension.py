"""A table of what facts speak of: a row for each key, whoever else adds some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from page_views.rows import as_arrow
from pipeline.lake.append import Note, append_once, noted
from pipeline.lake.errors import translated
from pipeline.lake.table import Table

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

NOTE: Final = "rows"
"""What is noted of a dimension: how often rows were added. Two who add at the same time both moved it."""


class Dimension:
    """Of one table, whose first column is its key. Not for several threads."""

    def __init__(self, table: Table) -> None:
        self._table, self._known = table, set[int]()

    def add(self, catalog: Catalog, rows: Mapping[int, tuple[Any, ...]]) -> int:
        """Add those that are not there yet; how many. Raises `Transient` where somebody else was faster."""
        if rows.keys() <= self._known:
            return 0
        with translated():
            table = catalog.load_table(self._table.name)
            key = self._table.columns[0].name
            self._known |= set(table.scan(selected_fields=(key,)).to_arrow()[key].to_pylist())
        new = [row for number, row in sorted(rows.items()) if number not in self._known]
        if new:
            before = noted(table, NOTE, "").through.get(0, 0)
            append_once(table, as_arrow(self._table, new), NOTE, Note("", {0: before + 1}))
            self._known |= {row[0] for row in new}
        return len(new)
