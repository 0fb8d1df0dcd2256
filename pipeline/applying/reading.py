"""Records → events: what a lane's records say, and what becomes of those that say nothing to apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.applying.applied import Applied, condemned
from pipeline.applying.culprits import condemned_loudly
from pipeline.applying.routing import Router
from pipeline.messages.records import Event, Letter, Record, Skipped
from pipeline.runtime.errors import Rejected, Unforeseen
from pipeline.runtime.redacted_errors import RedactedErrors

UNFORESEEN_READING: Final = "unforeseen_while_reading"
"""Not all of the message could be read, so its letter may not hold all of it."""


@dataclass
class Reading:
    """Notes in `applied` what is skipped and what cannot be read."""

    router: Router
    applied: Applied
    broken: list[tuple[Record, Unforeseen]] = field(default_factory=list)

    def events(self, records: Sequence[Record]) -> Iterator[Event[Any]]:
        """The events, in order. A record that its reader breaks on is left out, for `condemn` to judge."""
        following = 0
        while following < len(records):
            try:
                with RedactedErrors():
                    while following < len(records):
                        record = records[following]
                        following += 1
                        understood = self.router.interpret(record)
                        if isinstance(understood, Event):
                            yield understood
                        else:
                            self._note(understood)
            except Unforeseen as error:
                self.broken.append((record, error))

    def _note(self, understood: Letter | Skipped) -> None:
        if isinstance(understood, Skipped):
            self.applied.outcomes[understood.type, "skipped"] += 1
        else:
            self.applied.add(condemned(understood))

    def condemn(self) -> None:
        """Note the broken ones as letters, once all others are applied.

        Raises `Unforeseen` where none of the same type has gone through: then no message is to blame.
        """
        through = self.applied.through
        for record, error in self.broken:
            letter = self.router.broken(record, Rejected(UNFORESEEN_READING, str(error)))
            if not (through if letter.type is None else letter.type in through):
                raise error
            self.applied.add(condemned_loudly(letter))
