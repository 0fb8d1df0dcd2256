"""A record processor of the Kinesis Client Library: takes messages as a consumer would, and notes each in a journal.

MultiLangDaemon starts one such process per shard, with the Python that has amazon_kclpy:
    python worker.py JOURNAL MOST EVERY
`JOURNAL`: a folder. `MOST`: how many messages it takes; it leaves what follows. `EVERY`: it checkpoints after so many.

The journal of a shard has a line a message, written through before the checkpoint: "took SEQUENCE SUB_SEQUENCE", and
"checkpoint SEQUENCE SUB_SEQUENCE" ("checkpoint end" at the shard's end) once KCL has said that it is durable.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from amazon_kclpy.kcl import CheckpointError, KCLProcess  # type: ignore[import-not-found]
from amazon_kclpy.v3.processor import RecordProcessorBase  # type: ignore[import-not-found]


class Worker(RecordProcessorBase):  # type: ignore[misc]
    """Takes `most` messages of a shard, and checkpoints after every `every` of them."""

    version = 3

    def __init__(self, journal: Path, most: int, every: int) -> None:
        self._folder, self._most, self._every = journal, most, every
        self._taken = 0
        self._last: tuple[str, int] | None = None

    def initialize(self, given: Any) -> None:
        self._journal = self._folder / given.shard_id
        self._note("begin", given.sequence_number, given.sub_sequence_number)

    def process_records(self, given: Any) -> None:
        for record in given.records:
            if self._taken == self._most:
                return
            self._last = record.sequence_number, record.sub_sequence_number
            self._note("took", *self._last)
            self._taken += 1
            if self._taken % self._every == 0 or self._taken == self._most:
                self._checkpoint(given.checkpointer)

    def lease_lost(self, given: Any) -> None:
        self._note("lost")

    def shard_ended(self, given: Any) -> None:
        given.checkpointer.checkpoint()
        self._note("checkpoint", "end")

    def shutdown_requested(self, given: Any) -> None:
        if self._last is not None:
            self._checkpoint(given.checkpointer)

    def _checkpoint(self, checkpointer: Any) -> None:
        assert self._last is not None
        try:
            checkpointer.checkpoint(*self._last)
        except CheckpointError as error:
            self._note("refused", error)
        else:
            self._note("checkpoint", *self._last)

    def _note(self, *words: object) -> None:
        with self._journal.open("a") as journal:
            journal.write(" ".join(map(str, words)) + "\n")


if __name__ == "__main__":
    KCLProcess(Worker(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))).run()
