"""What waits for a window to close, in files of Arrow's columns: views, and sessions that may go on.

Files are written once, under names of their own, and never changed: which of them count is on record elsewhere
(`waiting.py`). What is of one user lies in one part of a file, the same in all; sums of
windows, which pass from one task to the next in such a file, lie in it by their paths.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

from page_views.sessions import Seen, Session
from pipeline.runtime.errors import Fatal
from pipeline.structured.files import Files
from pipeline.structured.tasks import columns, tuples

PARTS: Final = 4
"""Of the users. Never to be changed: what waits lies in as many, and sessions are written to as many lanes."""
AT_ONCE: Final = 16
"""Files that are fetched side by side."""
VIEW: Final = pa.schema(
    [
        ("user", pa.string()),
        ("at", pa.int64()),
        *((name, pa.string()) for name in ("path", "source", "medium")),
        *((name, pa.int64()) for name in ("source_key", "browser_key")),
    ]
)
"""`at`: in seconds since the epoch."""
COLUMNS: Final = pa.schema([*VIEW, ("last", pa.int64()), ("views", pa.int32()), ("exit", pa.string())])
"""A view, or, where `last` is given, a session: of its first view, and the rest."""


@dataclass(frozen=True)
class Segments:
    """Files in a folder of the checkpoint's store. Picklable. Methods raise `Transient` where that is away."""

    root: str

    def write(self, name: str, parts: Sequence[pa.RecordBatch]) -> str:
        """A file of these parts; under which name."""
        whole, sink = f"{name}-{uuid.uuid4().hex[:8]}.arrow", pa.BufferOutputStream()
        with pa.ipc.new_file(sink, parts[0].schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
            for part in parts:
                file.write_batch(part)
        _files(self.root).put(whole, sink.getvalue().to_pybytes())
        return whole

    def read(self, names: Iterable[str], part: int, schema: pa.Schema = COLUMNS) -> pa.Table:
        """A part of all these files together. Raises `Fatal` where one is gone."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return pa.Table.from_batches(pool.map(lambda name: self._part(name, part), names), schema)

    def _part(self, name: str, part: int) -> pa.RecordBatch:
        content = _files(self.root).get(name)
        if content is None:
            raise Fatal(f"{self.root}/{name} is gone: remove the checkpoint to begin from the topics anew")
        return pa.ipc.open_file(content).get_batch(part)


@cache
def _files(root: str) -> Files:
    return Files(root)


def part_of(key: bytes) -> int:
    """As lanes deal rows by their keys."""
    return zlib.crc32(key) % PARTS


class Views:
    """Views that a task has read, by the parts of their users."""

    def __init__(self) -> None:
        self._rows: list[list[tuple[Any, ...]]] = [[] for _ in range(PARTS)]
        self.newest = 0
        """The newest view's time, in seconds."""

    def add(self, user: bytes, seen: Seen) -> None:
        """One more. `user`: as the view has it, encoded."""
        self._rows[part_of(user)].append(seen)
        self.newest = max(self.newest, seen.at)

    def __len__(self) -> int:
        return sum(map(len, self._rows))

    def parts(self) -> list[pa.RecordBatch]:
        """All of them."""
        return [_widened(columns(rows, VIEW)) for rows in self._rows]


def sessions(known: Sequence[Session]) -> pa.RecordBatch:
    """Sessions that may go on."""
    return columns([(*one.first, one.last, one.views, one.exit) for one in known], COLUMNS)


def in_order(rows: pa.Table) -> Iterator[Seen | Session]:
    """By user: the session that is known, then views in order of time, the same in whichever order they came."""
    by_user: dict[str, list[tuple[Any, ...]]] = {}
    for row in tuples(rows):
        by_user.setdefault(row[0], []).append(row)
    for own in by_user.values():
        if len(own) > 1:
            own.sort(key=_place)
        yield from map(_one, own)


def _place(row: tuple[Any, ...]) -> tuple[Any, ...]:
    _, at, path, source, medium, source_key, browser_key, last, *_ = row
    return last is None, at, path, source or "", medium or "", source_key, browser_key


def _one(row: tuple[Any, ...]) -> Seen | Session:
    first = Seen(*row[: len(VIEW)])
    last, views, exit = row[len(VIEW) :]
    return first if last is None else Session(first, last, views, exit)


def _widened(views: pa.RecordBatch) -> pa.RecordBatch:
    rest = [pa.nulls(views.num_rows, field.type) for field in COLUMNS][len(VIEW) :]
    return pa.RecordBatch.from_arrays([*views.columns, *rest], schema=COLUMNS)
