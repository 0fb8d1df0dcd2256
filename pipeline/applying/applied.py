"""What became of a chunk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.messages.records import Event, Letter

DUPLICATE: Final = "duplicate"
LETTER: Final = "letter:"


Shown = tuple[str, str]
"""(type, change): a message of the type has a row, and the change (as in `Transaction`; empty: any) went through."""


@dataclass(slots=True)
class Applied:
    """What became of a chunk. The letters are not durable yet.

    `outcomes`: of (type, status of its row, "duplicate", "skipped" or "letter:" and a reason), how many. `conflicts`:
    duplicates, by their producer's own id, of a message that said something else. `changes`: as in `Transaction`; of
    duplicates, that their row is in its table.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    letters: list[Letter] = field(default_factory=list)
    conflicts: list[Event[Any]] = field(default_factory=list)
    changes: set[str] = field(default_factory=set)

    def add(self, other: Applied) -> None:
        """Count the other's as well."""
        self.outcomes.update(other.outcomes)
        self.letters += other.letters
        self.conflicts += other.conflicts
        self.changes |= other.changes

    @property
    def through(self) -> frozenset[str]:
        """The types of which a message has a row, now or from before."""
        return frozenset(
            type_ for type_, outcome in self.outcomes if outcome == DUPLICATE or outcome.removeprefix("-").isdecimal()
        )

    @property
    def shown(self) -> frozenset[Shown]:
        """What those with a row show: each of their types with each of the changes, and with none."""
        return frozenset((type_, change) for type_ in self.through for change in ("", *self.changes))


def condemned(letter: Letter) -> Applied:
    """One message that became a letter."""
    return Applied(Counter({(letter.type or "", f"{LETTER}{letter.reason}"): 1}), [letter])
