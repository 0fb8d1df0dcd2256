"""The sessions that may go on, from one closing of windows to the next: in the checkpoint's store.

Two folders take turns, so that a batch that comes again finds what the batch before it has left. A note says which is
which, by the numbers of their batches; with a lost checkpoint it is lost as well, and one that speaks of later batches
than the one at hand counts for nothing.

    <CHECKPOINT_DIR>/page-views/sessions/
        note.json   [[batch, folder, until], [the same of the batch before that left something]]
        a/, b/      Parquet: sessions that may go on (columns `KNOWN`)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from page_views.tasks import SEEN, VIEW
from pipeline.structured.files import Files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOTE: Final = "note.json"
FOLDERS: Final = ("a", "b")
KNOWN: Final = f"{VIEW}, last BIGINT, views INT, exit STRING"


class Carried:
    """`root`: CHECKPOINT_DIR. Raises `Transient`, `Fatal` as `Files` does."""

    def __init__(self, root: str) -> None:
        self._files = Files(f"{root.rstrip('/')}/page-views/sessions")

    def before(self, session: SparkSession, batch: int) -> DataFrame:
        """What batches before this one have left (columns `KNOWN`)."""
        found = self._before(batch)
        if not found:
            return session.createDataFrame([], KNOWN)
        return session.read.schema(KNOWN).parquet(f"{self._files.uri}/{found[0][1]}")

    def until(self, batch: int) -> int:
        """Up to when windows were closed as the last batch before this one left something; 0 where none has."""
        found = self._before(batch)
        return found[0][2] if found else 0

    def leave(self, known: DataFrame, batch: int, until: int) -> None:
        """Keep this for the next batches. `until`: up to when windows are closed."""
        found = self._before(batch)
        taken = found[0][1] if found else ""
        folder = next(name for name in FOLDERS if name != taken)
        known.select(*SEEN).coalesce(1).write.mode("overwrite").parquet(f"{self._files.uri}/{folder}")
        self._files.write(NOTE, json.dumps([[batch, folder, until], *found[:1]]))

    def _before(self, batch: int) -> list[tuple[int, str, int]]:
        """Batches that have left something, the last first."""
        noted = json.loads(self._files.read(NOTE) or "[]")
        return [(number, folder, until) for number, folder, until in noted if number < batch]
