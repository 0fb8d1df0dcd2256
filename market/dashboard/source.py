"""What the dashboard asks of the database. Reading only.

**What has changed.** A document says the version of its symbol's state that it was written with, and versions only
grow: documents that are new, or were written again, are those with a later version than any that was seen. Documents of
one version are not written at once, so for a while those of the last version are read again too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from market.candle_rows import VERSION, Rows
from market.documents import PRICES, Document
from market.mongo import by_fate, only_read
from market.symbols import is_topic

DAYS: Final = 5
"""Trading days that are shown, the newest included."""
BATCH: Final = 500
"""Documents of one answer of the server."""
PROGRAM: Final = "dashboard"

_NEVER: Final = datetime(9999, 1, 1)


class Source:
    """Collections of candles. `zone`: the market's, where its days begin."""

    def __init__(self, uri: str, name: str, zone: ZoneInfo) -> None:
        self.name, self.zone = name, zone
        self._base = only_read(uri, name, PROGRAM)

    def topics(self) -> list[str]:
        """The collections that may hold candles. Raises `PipelineError`."""
        with by_fate("listing collections"):
            return sorted(filter(is_topic, self._base.list_collection_names()))

    def beginning(self, topic: str) -> datetime | None:
        """When the first of the last `DAYS` days with candles began, in UTC. None: there are no candles.

        Raises `PipelineError`.
        """
        began = _NEVER
        with by_fate("reading candles"):
            for _ in range(DAYS):
                newest = self._base[topic].find_one({"_id": {"$lt": began}}, {"_id": True}, sort=[("_id", -1)])
                if newest is None:
                    break
                began = self._day_of(newest["_id"])
        return None if began is _NEVER else began

    def documents(self, topic: str, first: datetime) -> Iterator[Document]:
        """All from a moment on, in order, as they are asked for. Raises `PipelineError`."""
        return self._found(topic, {"_id": {"$gte": first}})

    def changed(self, topic: str, first: datetime, version: int, *, again: bool) -> Sequence[Document]:
        """Those of a later version, or of none; with `again` those of `version` too. Raises `PipelineError`."""
        known = {"$lt": version} if again else {"$lte": version}
        return list(self._found(topic, {"_id": {"$gte": first}, VERSION: {"$not": known}}))

    def versions(self, topic: str, first: datetime) -> dict[datetime, int]:
        """Of all from a moment on, and of nothing else. Raises `PipelineError`."""
        with by_fate("reading candles"):
            found = self._base[topic].find({"_id": {"$gte": first}}, {VERSION: True})
            return {one["_id"]: one.get(VERSION, 0) for one in found if isinstance(one["_id"], datetime)}

    def these(self, topic: str, days: Sequence[datetime]) -> Sequence[Document]:
        """Documents by `_id`. Raises `PipelineError`."""
        return list(self._found(topic, {"_id": {"$in": list(days)}}))

    def _found(self, topic: str, query: dict[str, Any]) -> Iterator[Document]:
        rows: Rows = self._base[topic]
        with by_fate("reading candles"):
            for one in rows.find(query, batch_size=BATCH).sort("_id", 1):
                if isinstance(one["_id"], datetime) and one.keys() >= PRICES:
                    yield one

    def _day_of(self, moment: datetime) -> datetime:
        day = moment.replace(tzinfo=UTC).astimezone(self.zone).date()
        return datetime.combine(day, time(), self.zone).astimezone(UTC).replace(tzinfo=None)
