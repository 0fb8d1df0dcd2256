"""What waits for a window to close, in files of Arrow's columns: views, and sessions that may go on.

Files are written once, under names of their own, and never changed: which of them count is on record elsewhere
(`waiting.py`). What is of one user lies in one part of a file, the same in all; sums of windows, which pass from one
task to the next in such a file, lie in it by their paths.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from page_views.sessions import Seen, Session
from pipeline.runtime.errors import Fatal
from pipeline.structured.files import Files
from pipeline.structured.tasks import columns, tuples

PARTS: Final = 4
"""Of the users. Never to be changed: what waits lies in as many, and sessions are written to as many lanes."""
SUFFIX: Final = ".arrow"
AT_ONCE: Final = 16
"""Files that are fetched side by side."""
PIECE: Final = 10_000
"""Rows that are held as Python has them; more take four times the room that columns do."""
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

    def write(self, batch: int, name: str, parts: Sequence[pa.RecordBatch]) -> str:
        """A file of these parts, which a batch makes; under which name."""
        whole, sink = f"{batch}-{name}-{uuid.uuid4().hex[:8]}{SUFFIX}", pa.BufferOutputStream()
        with pa.ipc.new_file(sink, parts[0].schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
            for part in parts:
                file.write_batch(part)
        _files(self.root).put(whole, sink.getvalue().to_pybytes())
        return whole

    def read(self, names: Iterable[str], part: int, schema: pa.Schema = COLUMNS) -> pa.Table:
        """A part of all these files together. Raises `Fatal` where one is gone, or is none of ours."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return pa.Table.from_batches(pool.map(lambda name: self._part(name, part), names), schema)

    def _part(self, name: str, part: int) -> pa.RecordBatch:
        content = _files(self.root).get(name)
        if content is None:
            raise self._useless(name, "is gone, or not to be seen from every machine")
        try:
            return pa.ipc.open_file(content).get_batch(part)
        except pa.ArrowException as error:
            raise self._useless(name, f"cannot be read ({type(error).__name__})") from None

    def _useless(self, name: str, why: str) -> Fatal:
        return Fatal(f"{self.root}/{name} {why}: remove {self.root.rpartition('/')[0]} to begin anew")


@cache
def _files(root: str) -> Files:
    return Files(root)


def batch_of(name: str) -> int:
    """Which batch has made a segment; one before all where that is none of ours."""
    number = name.partition("-")[0]
    return int(number) if number.isdecimal() else -1


def part_of(key: bytes) -> int:
    """As lanes deal rows by their keys."""
    return zlib.crc32(key) % PARTS


class Views:
    """Views that a task has read, by the parts of their users."""

    def __init__(self) -> None:
        self._parts = [Pieces(VIEW) for _ in range(PARTS)]
        self.number = self.newest = 0
        """How many there are, and the newest one's time, in seconds."""

    def add(self, user: bytes, seen: Seen) -> None:
        """One more. `user`: as the view has it, encoded."""
        self._parts[part_of(user)].add(seen)
        self.number += 1
        self.newest = max(self.newest, seen.at)

    def parts(self) -> list[pa.RecordBatch]:
        """All of them."""
        return [_widened(pa.concat_batches(part.all())) for part in self._parts]


class Pieces:
    """Rows that become columns, piece by piece."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._done: list[pa.RecordBatch] = []
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        """One more."""
        self._rows.append(row)
        if len(self._rows) == PIECE:
            self._done.append(columns(self._rows, self._schema))
            self._rows = []

    def all(self) -> list[pa.RecordBatch]:
        """At least one, which may be empty."""
        return [*self._done, columns(self._rows, self._schema)]


def session_row(known: Session) -> tuple[Any, ...]:
    """A session that may go on, in `COLUMNS`."""
    return *known.first, known.last, known.views, known.exit


def in_order(rows: pa.Table) -> Iterator[Seen | Session]:
    """By user: the session that is known, then views in order of time, the same in whichever order they came."""
    users = rows["user"].combine_chunks().dictionary_encode().indices
    by_user = (row for piece in rows.take(pc.sort_indices(users)).to_batches(PIECE) for row in tuples(piece))
    for _, own in groupby(by_user, itemgetter(0)):
        yield from map(_one, sorted(own, key=_place))


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
