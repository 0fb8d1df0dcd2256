"""What a task does as windows close: of its users' views, those that begin sessions, sessions that are over, sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from page_views.outgoing import ToldSession
from page_views.segment import Segments, in_order, sessions
from page_views.sessions import Session, Told, told
from page_views.sums import Sums
from page_views.waiting import State
from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Written


class Closed(NamedTuple):
    """What came of a part. Segments: `left`, what goes on to wait, `rows` of it; `sums`, of this part's views."""

    written: Written
    left: str
    rows: int
    sums: str


@dataclass(frozen=True)
class Close:
    """Task n closes windows for part n of the users, and writes sessions that are over to lane n.

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

    def __call__(self, part: int, _: object) -> Closed:
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
        left = pa.concat_batches([*rows.filter(pc.invert(due)).to_batches(), sessions(known)])
        name = f"{self.name}-left-{part}"
        summed = self.segments.write(f"{name}-sums", sums.parts())
        return Closed(written, self.segments.write(name, [left]), left.num_rows, summed)

    def _waiting(self, part: int) -> pa.Table:
        read = self.segments.read(self.state.batches, part)
        left = self.segments.read(self.state.parts[part : part + 1], 0)
        return pa.concat_tables([left, read])


def row(session: Session, closes: int, topic: str) -> Row:
    """A session that is over, by user, marked by the end of the window that ended it."""
    value = msgspec.json.encode(ToldSession.of(session))
    return Row(topic, session.user.encode(), value, topic, 0, closes * 1000)
