"""The dead letters, as operators ask for them. A row outranks a letter: such a letter is settled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from pipeline.console.output import Advance, WrongUsage, aside
from pipeline.dead_letters.items import StoredLetter, UnreadableLetter
from pipeline.dead_letters.table import open_letters
from pipeline.operations.workbench import Workbench

NAMED: Final = 20
"""Most letters that are named one by one."""


@dataclass(frozen=True)
class Wanted:
    """Which letters: all that agree with what is not None. `type` "" stands for a message that named none."""

    reason: str | None = None
    type: str | None = None
    key: int | None = None

    def matches(self, stored: StoredLetter) -> bool:
        return (
            self.reason in (None, stored.letter.reason)
            and self.type in (None, stored.letter.type or "")
            and self.key in (None, stored.key)
        )


class Found(NamedTuple):
    """Letters, `settled` if their message has its row. `unreadable`: items that are none, whatever was wanted."""

    open: list[StoredLetter]
    settled: list[StoredLetter]
    unreadable: list[UnreadableLetter]


class Group(NamedTuple):
    """Letters of one reason and type; `oldest` and `newest` are when messages of theirs arrived."""

    reason: str
    type: str
    letters: int
    oldest: datetime
    newest: datetime
    attempts: int


def gather(bench: Workbench, wanted: Wanted, advance: Advance) -> Found:
    """The letters that are wanted, each looked up in the tables; those that cannot be read are named on stderr."""
    found = []
    unreadable: list[UnreadableLetter] = []
    for stored in bench.letters(unreadable.append):
        advance(1)
        if wanted.matches(stored):
            found.append(stored)
    left = list(open_letters(found, bench.rows_exist))
    keys = {stored.key for stored in left}
    tell(unreadable)
    return Found(left, [stored for stored in found if stored.key not in keys], unreadable)


def tell(unreadable: Sequence[UnreadableLetter]) -> None:
    """A line on stderr for each of the first, so that the keys are known."""
    for one in unreadable[:NAMED]:
        aside.print(f"letter {one.key} is passed over: {one.why}")
    if len(unreadable) > NAMED:
        aside.print(f"… and {len(unreadable) - NAMED:,} more")


def grouped(letters: Iterable[StoredLetter]) -> list[Group]:
    """By reason and type, the most letters first."""
    groups: dict[tuple[str, str], list[StoredLetter]] = {}
    for stored in letters:
        groups.setdefault((stored.letter.reason, stored.letter.type or ""), []).append(stored)
    made = [_group(reason, type_, members) for (reason, type_), members in groups.items()]
    return sorted(made, key=lambda group: (-group.letters, group.reason, group.type))


def _group(reason: str, type_: str, members: Sequence[StoredLetter]) -> Group:
    arrivals = [stored.letter.record.arrived for stored in members]
    attempts = max(stored.attempts for stored in members)
    return Group(reason, type_, len(members), min(arrivals), max(arrivals), attempts)


def read_key(text: str) -> int:
    """A letter's key: its number, or its event's identity as 32 hexadecimal digits. Raises `WrongUsage`."""
    if re.fullmatch(r"[0-9]{1,38}", text):
        return int(text)
    if re.fullmatch(r"[0-9a-fA-F]{32}", text):
        return int(text, 16) % 10**38
    raise WrongUsage(f"{text[:40]!r} is no letter's key: a number of up to 38 digits, as `letters --json` shows it")


def as_fields(stored: StoredLetter, settled: bool) -> dict[str, Any]:
    """One letter in full, for people and machines; the key as text, since it is longer than JSON's numbers."""
    letter, record = stored.letter, stored.letter.record
    return {
        "key": str(stored.key),
        "event_id": letter.identity.hex(),
        "settled": settled,
        "type": letter.type,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": stored.attempts,
        "arrived": record.arrived,
        "first_seen": stored.first_seen,
        "last_seen": stored.last_seen,
        "stream": stored.stream,
        "shard": record.shard,
        "sequence": record.sequence,
        "sub_sequence": record.sub_sequence,
        "size": letter.size,
        "sha256": letter.sha256,
        "payload": dict(letter.payload),
    }
