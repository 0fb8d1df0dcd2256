"""The table `operations_log`: who changed what by a command, and when."""

from __future__ import annotations

import getpass
import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.mysql.database import Transaction
from pipeline.operations.workbench import Workbench

LONGEST_NAME = 128

_BEGIN = "INSERT INTO operations_log (began_at, who, command, arguments) VALUES (UTC_TIMESTAMP(6), %s, %s, %s)"
_END = "UPDATE operations_log SET ended_at = UTC_TIMESTAMP(6), counts = %s WHERE id = %s"
_LAST = "SELECT id, began_at, ended_at, who, command, arguments, counts FROM operations_log ORDER BY id DESC LIMIT %s"


class Entry(NamedTuple):
    """One row, newest first; times are UTC. `ended_at` None: it died, was stopped by an error, or still runs."""

    id: int
    began_at: datetime
    ended_at: datetime | None
    who: str
    command: str
    arguments: str
    counts: str | None


def operator(named: str | None) -> str:
    """The user of this machine, and who they said to act for."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    place = f"{user}@{platform.node()}"
    return (f"{named} ({place})" if named else place)[:LONGEST_NAME]


@contextmanager
def noted(bench: Workbench, command: str, arguments: Mapping[str, Any], named: str | None) -> Iterator[Counter[str]]:
    """Note the command before it begins, and what it counted once it has ended. Raises `Fatal` on an older schema."""
    bench.check_schema()
    given = {name: value for name, value in arguments.items() if value not in (None, False)}
    entry = bench.work(lambda transaction: _begun(transaction, operator(named), command, given))
    counts: Counter[str] = Counter()
    yield counts
    bench.change(_END, (json.dumps(counts), entry))


def _begun(transaction: Transaction, who: str, command: str, arguments: Mapping[str, Any]) -> int:
    transaction.execute(_BEGIN, (who, command, json.dumps(arguments, default=str)))
    ((entry,),) = transaction.query("SELECT LAST_INSERT_ID()")
    transaction.commit()
    return int(entry)


def last(bench: Workbench, most: int) -> list[Entry]:
    """The newest entries."""
    bench.check_schema()
    return [Entry(*row) for row in bench.query(_LAST, (most,))]
