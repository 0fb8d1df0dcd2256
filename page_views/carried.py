"""What is known of users whose sessions may go on, from one closing of windows to the next: in the checkpoint's store.

Two folders take turns, so that a batch that comes again finds what the batch before it has left. A note says which is
which, by the numbers of their batches; with a lost checkpoint it is lost as well, and one that speaks of later batches
than the one at hand counts for nothing.

    <CHECKPOINT_DIR>/page-views/sessions/
        note.json   [[batch, folder], [batch before that left something, its folder]]
        a/, b/      Parquet: user, at, begun
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pipeline.structured.files import Files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOTE: Final = "note.json"
FOLDERS: Final = ("a", "b")
KNOWN: Final = "user STRING, at BIGINT, begun BIGINT"


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

    def leave(self, known: DataFrame, batch: int) -> None:
        """Keep this for the next batches."""
        found = self._before(batch)
        taken = found[0][1] if found else ""
        folder = next(name for name in FOLDERS if name != taken)
        known.select("user", "at", "begun").coalesce(1).write.mode("overwrite").parquet(f"{self._files.uri}/{folder}")
        self._files.write(NOTE, json.dumps([[batch, folder], *found[:1]]))

    def _before(self, batch: int) -> list[tuple[int, str]]:
        """Batches that have left something, the last first."""
        noted = json.loads(self._files.read(NOTE) or "[]")
        return [(number, folder) for number, folder in noted if number < batch]
