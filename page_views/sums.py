"""Windows of five minutes by path, source and medium: summed in parts of the users, put together, and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
from datasketches import hll_sketch, hll_union, tgt_hll_type  # type: ignore[import-untyped]

from page_views.outgoing import Window
from page_views.segment import PARTS, Segments, part_of
from page_views.sessions import LENGTH, Told
from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Written
from pipeline.structured.tasks import columns, tuples

SKETCH: Final = 14
"""lgK of the sketches of users: 2 in 3 estimates are within 0.8 %."""
SUMS: Final = pa.schema(
    [
        ("start", pa.int64()),
        *((name, pa.string()) for name in ("path", "source", "medium")),
        *((name, pa.int64()) for name in ("views", "sessions")),
        ("sketch", pa.binary()),
    ]
)
"""Of a window: `start`, in seconds since the epoch; `sketch`: of its users."""
_KIND: Final = tgt_hll_type.HLL_8


class Key(NamedTuple):
    """Which window."""

    start: int
    path: str
    source: str | None
    medium: str | None


class Sums:
    """Of the views of some users."""

    def __init__(self) -> None:
        self._found: dict[Key, _Sum] = {}

    def add(self, one: Told) -> None:
        """A view more."""
        seen = one.seen
        key = Key(seen.at // LENGTH * LENGTH, seen.path, seen.source, seen.medium)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _Sum()
        found.views += 1
        found.sessions += one.begins
        found.users.update(seen.user)

    def parts(self) -> list[pa.RecordBatch]:
        """All of them (columns `SUMS`), by the parts of their paths."""
        rows: list[list[tuple[Any, ...]]] = [[] for _ in range(PARTS)]
        for key, one in self._found.items():
            sketch = one.users.serialize_compact()
            rows[part_of(key.path.encode())].append((*key, one.views, one.sessions, sketch))
        return [columns(some, SUMS) for some in rows]


class _Sum:
    __slots__ = ("sessions", "users", "views")

    def __init__(self) -> None:
        self.views = self.sessions = 0
        self.users = hll_sketch(SKETCH, _KIND)


@dataclass(frozen=True)
class Tell:
    """Task n puts together the sums of part n of the paths, and writes them to lane n. `names`: segments of sums."""

    segments: Segments
    names: Sequence[str]
    lanes: Lanes
    topic: str

    def __call__(self, part: int, _: object) -> Written:
        found: dict[Key, list[tuple[int, int, bytes]]] = {}
        for start, path, source, medium, *sums in tuples(self.segments.read(self.names, part, SUMS)):
            found.setdefault(Key(start, path, source, medium), []).append(tuple(sums))
        in_order = sorted(found, key=attrgetter("start"))
        return self.lanes.write(part, (row(key, *together(found[key]), self.topic) for key in in_order))


def together(sums: Iterable[tuple[int, int, bytes]]) -> tuple[int, int, Any]:
    """Views, sessions and users of a window: of all parts."""
    views = sessions = 0
    users = hll_union(SKETCH)
    for seen, begun, sketch in sums:
        views, sessions = views + seen, sessions + begun
        users.update(hll_sketch.deserialize(sketch))
    return views, sessions, users.get_result(_KIND)


def row(key: Key, views: int, sessions: int, users: Any, topic: str) -> Row:
    """A window as it is told, by path, marked by its end."""
    window = Window.of(*key, views, sessions, round(users.get_estimate()), users.serialize_compact())
    return Row(topic, key.path.encode(), msgspec.json.encode(window), topic, 0, (key.start + LENGTH) * 1000)
