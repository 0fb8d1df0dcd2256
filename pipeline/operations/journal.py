"""The table `operations_log`: who changed what by a command, and when."""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

from pipeline.console.output import Advance
from pipeline.mysql.database import Transaction
from pipeline.operations.workbench import Workbench
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.stopping import held_back

LONGEST_NAME: Final = 128
NOTE_EVERY: Final = 1.0
"""Seconds from note to note of a command that goes on."""

_BEGIN = "INSERT INTO operations_log (began_at, who, command, arguments) VALUES (UTC_TIMESTAMP(6), %s, %s, %s)"
_NOTE = "UPDATE operations_log SET counts = %s WHERE id = %s"
_END = "UPDATE operations_log SET ended_at = UTC_TIMESTAMP(6), counts = %s WHERE id = %s"
_LAST = "SELECT id, began_at, ended_at, who, command, arguments, counts FROM operations_log ORDER BY id DESC LIMIT %s"


class Entry(NamedTuple):
    """One row, newest first; times are UTC. `ended_at` None: it was killed, or still runs."""

    id: int
    began_at: datetime
    ended_at: datetime | None
    who: str
    command: str
    arguments: str
    counts: str | None


class Interrupted(PipelineError):
    """SIGTERM or Ctrl-C ended a command between two steps; what it did is noted."""


class Operation:
    """A command under way. `counts`: what it did so far."""

    def __init__(self, bench: Workbench, entry: int, interrupted: Callable[[], str]) -> None:
        self.counts: Counter[str] = Counter()
        self._bench, self._entry, self._interrupted = bench, entry, interrupted
        self._noted: tuple[Counter[str], float] = (Counter(), time.monotonic())

    def stepping(self, advance: Advance) -> Advance:
        """As `advance`; besides, what was counted is noted now and then, and a signal ends the command here.

        Raises `Interrupted`, and as the database does.
        """

        def step(more: int) -> None:
            advance(more)
            if signal := self._interrupted():
                raise Interrupted(f"stopped by {signal}, what was done is noted: run it again to go on")
            counts, at = self._noted
            if time.monotonic() - at >= NOTE_EVERY and counts != self.counts:
                self._bench.change(_NOTE, (json.dumps(self.counts), self._entry))
                self._noted = self.counts.copy(), time.monotonic()

        return step

    def end(self) -> None:
        """Note that it has ended, and what it did. Raises `Transient`, `Halted`."""
        self._bench.change(_END, (json.dumps(self.counts), self._entry))


def operator(named: str | None) -> str:
    """The user of this machine, and who they said to act for."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    place = f"{user}@{platform.node()}"
    return (f"{named} ({place})" if named else place)[:LONGEST_NAME]


@contextmanager
def noted(bench: Workbench, command: str, arguments: Mapping[str, Any], named: str | None) -> Iterator[Operation]:
    """Note the command before it begins, and its end and what it counted, whatever ended it.

    Raises `Fatal` on an older schema.
    """
    bench.check_schema()
    given = {name: value for name, value in arguments.items() if value not in (None, False)}
    with held_back() as interrupted:
        entry = bench.work(lambda transaction: _begun(transaction, operator(named), command, given))
        operation = Operation(bench, entry, interrupted)
        try:
            yield operation
        except BaseException:
            with suppress(PipelineError):  # the database is away: the audit tells of an entry without an end
                operation.end()
            raise
        operation.end()


def _begun(transaction: Transaction, who: str, command: str, arguments: Mapping[str, Any]) -> int:
    transaction.execute(_BEGIN, (who, command, json.dumps(arguments, default=str)))
    ((entry,),) = transaction.query("SELECT LAST_INSERT_ID()")
    transaction.commit()
    return int(entry)


def last(bench: Workbench, most: int) -> list[Entry]:
    """The newest entries."""
    bench.check_schema()
    return [Entry(*row) for row in bench.query(_LAST, (most,))]
