"""What a task does as windows close: of its users' views, those that begin sessions, sessions that are over, sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from page_views.outgoing import ToldSession
from page_views.segment import COLUMNS, Pieces, Segments, in_order, session_row
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

    `state`: of what waits, and up to when windows are to be closed. `since`: those before had been. `gap`: of sessions,
    in seconds. `topic`: of sessions.
    """

    segments: Segments
    state: State
    since: int
    gap: int
    lanes: Lanes
    topic: str

    def __call__(self, part: int, _: object) -> Closed:
        rows = self._waiting(part)
        due = pc.or_(pc.less(rows["at"], self.state.until), pc.is_valid(rows["last"]))
        known, over, sums = Pieces(COLUMNS), list[Row](), Sums()
        for one in told(in_order(rows.filter(due)), self.gap, self.state.until, self.since):
            if isinstance(one, Told):
                sums.add(one)
            elif one.closes is None:
                known.add(session_row(one))
            else:
                over.append(row(one, one.closes, self.topic))
        written = self.lanes.write(part, over)
        left = pa.concat_batches([*rows.filter(pc.invert(due)).to_batches(), *known.all()])
        batch, write = self.state.batch, self.segments.write
        summed = write(batch, f"sums-{part}", sums.parts())
        return Closed(written, write(batch, f"left-{part}", [left]), left.num_rows, summed)

    def _waiting(self, part: int) -> pa.Table:
        read = self.segments.read(self.state.batches, part)
        left = self.segments.read(self.state.parts[part : part + 1], 0)
        return pa.concat_tables([left, read])


def row(session: Session, closes: int, topic: str) -> Row:
    """A session that is over, by user, marked by the end of the window that ended it."""
    value = msgspec.json.encode(ToldSession.of(session))
    return Row(topic, session.user.encode(), value, topic, 0, closes * 1000)
