"""What a table of the lakehouse is made of by now, through PyIceberg: rows, files, their sizes, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake

SMALL: Final = 8 << 20
"""Bytes; files below that are small ones."""


@dataclass(frozen=True)
class Described:
    """`size` in bytes; `small`: files below `SMALL`; `written`: the last snapshot's time, None before the first."""

    name: str
    rows: int
    files: int
    size: int
    small: int
    snapshots: int
    written: datetime | None
    location: str


def describe(lake: Lake, names: Sequence[str]) -> list[Described]:
    """Those of the tables that exist. Raises `Transient`, `Fatal`."""
    from pyiceberg.exceptions import NoSuchTableError

    found = []
    with closing(lake.catalog()) as catalog, translated():
        for name in names:
            with suppress(NoSuchTableError):
                found.append(_described(name, catalog.load_table(name)))
    return found


def _described(name: str, table: object) -> Described:
    from pyiceberg.table import Table

    assert isinstance(table, Table)
    snapshot = table.current_snapshot()
    files = table.inspect.data_files().select(["record_count", "file_size_in_bytes"]).to_pylist() if snapshot else []
    sizes = [file["file_size_in_bytes"] for file in files]
    return Described(
        name,
        sum(file["record_count"] for file in files),
        len(files),
        sum(sizes),
        sum(size < SMALL for size in sizes),
        len(table.snapshots()),
        datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None,
        table.location(),
    )
