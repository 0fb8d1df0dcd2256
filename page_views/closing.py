"""What a task does as windows close: of its users' views, those that begin sessions, sessions that are over, sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from datasketches import hll_sketch, tgt_hll_type  # type: ignore[import-untyped]

from page_views.outgoing import ToldSession
from page_views.segment import Segments, in_order, sessions
from page_views.sessions import LENGTH, Session, Told, told
from page_views.waiting import State
from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Written
from pipeline.structured.tasks import Work, columns

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
MOST: Final = 500
"""Windows that are told at once: a sketch has up to 16 KiB."""


class Closed(NamedTuple):
    """What came of a part. `segment`: what is left of it."""

    written: Written
    segment: str


@dataclass(frozen=True)
class Close:
    """Task n closes windows for part n of the users: yields `SUMS`, and writes sessions that are over to lane n.

    `state`: of what waits. `until`: windows before are to be closed. `gap`: of sessions, in seconds. `topic`: of
    sessions. `name`: of the batch.
    """

    segments: Segments
    state: State
    until: int
    gap: int
    lanes: Lanes
    topic: str
    name: str

    def __call__(self, part: int, _: object) -> Work[Closed]:
        rows = self._waiting(part)
        due = pc.or_(pc.less(rows["at"], self.until), pc.is_valid(rows["last"]))
        known, over, sums = list[Session](), list[Row](), Sums()
        for one in told(in_order(rows.filter(due)), self.gap, self.until):
            if isinstance(one, Told):
                sums.add(one)
            elif one.closes is None:
                known.append(one)
            else:
                over.append(row(one, one.closes, self.topic))
        written = self.lanes.write(part, over)
        yield from sums.batches()
        left = pa.concat_batches([*rows.filter(pc.invert(due)).to_batches(), sessions(known)])
        return Closed(written, self.segments.write(f"{self.name}-left-{part}", [left]))

    def _waiting(self, part: int) -> pa.Table:
        read = self.segments.read(self.state.batches, part)
        left = self.segments.read(self.state.parts[part : part + 1], 0)
        return pa.concat_tables([left, read])


def row(session: Session, closes: int, topic: str) -> Row:
    """A session that is over, by user, marked by the end of the window that ended it."""
    value = msgspec.json.encode(ToldSession.of(session))
    return Row(topic, session.user.encode(), value, topic, 0, closes * 1000)


class Sums:
    """Of windows, by path, source and medium."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, str | None, str | None], _Sum] = {}

    def add(self, one: Told) -> None:
        """A view more."""
        seen = one.seen
        key = (seen.at // LENGTH * LENGTH, seen.path, seen.source, seen.medium)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _Sum()
        found.views += 1
        found.sessions += one.begins
        found.users.update(seen.user)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All of them (columns `SUMS`)."""
        found = iter(self._found.items())
        while some := list(islice(found, MOST)):
            rows = [(*key, one.views, one.sessions, one.users.serialize_compact()) for key, one in some]
            yield columns(rows, SUMS)


class _Sum:
    __slots__ = ("sessions", "users", "views")

    def __init__(self) -> None:
        self.views = self.sessions = 0
        self.users = hll_sketch(SKETCH, tgt_hll_type.HLL_8)
