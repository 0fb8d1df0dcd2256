"""A chunk that does not go through is cut in two, in order, until the message that holds it back is alone.

A value that no column holds condemns its message by itself. Any other error of a statement (another team's trigger or
unique key, no partition for its day), and an exception in a rule, condemn it only where a neighbour of its type goes
through: what refuses everybody is no message's fault, and the batch halts with all of them. Where a change of balances
is refused, a neighbour that changed none says nothing; and none says anything of a COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from pipeline.applying.applied import Applied, Shown, condemned
from pipeline.messages.records import Event, Letter
from pipeline.mysql.errors import RowRefused, StatementRefused
from pipeline.runtime.errors import Rejected, Unforeseen

REFUSED: Final = "refused_by_database"
UNFORESEEN: Final = "unforeseen_error"
NEIGHBOURS: Final = 10
"""About how many of those behind a culprit are tried, near and far. Where none of so many goes through, the batch
halts. One that went through before counts only where fewer are behind: at midnight, yesterday's had a partition."""

HELD_BACK: Final = (RowRefused, StatementRefused, Unforeseen)
"""What one message of a chunk may be the reason of."""

ToLetter = Callable[[Event[Any], Rejected], Letter]
Work = Callable[[Sequence[Event[Any]]], Applied]

log = structlog.get_logger()


@dataclass(frozen=True)
class Culprits:
    """`commit` applies some messages in a transaction; `attempt` does the same and rolls back."""

    commit: Work
    attempt: Work
    to_letter: ToLetter

    def apply(
        self, chunk: Sequence[Event[Any]], before: frozenset[Shown] = frozenset(), behind: Sequence[Event[Any]] = ()
    ) -> Applied:
        """Apply all but the culprits, which become letters. Raises what `commit` raises, where nobody goes through.

        `before`: what those of the chunk show that went through before. `behind`: the rest of the chunk.
        """
        try:
            return self.commit(chunk)
        except HELD_BACK as error:
            if len(chunk) == 1:
                return self._alone(chunk[0], error, before, behind)
        first, second = chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]
        applied = self.apply(first, before, [*second, *behind])
        applied.add(self.apply(second, before | applied.shown, behind))
        return applied

    def _alone(
        self, event: Event[Any], error: Exception, before: frozenset[Shown], behind: Sequence[Event[Any]]
    ) -> Applied:
        """Once more where a neighbour has shown that it is the message: what comes and goes may have gone."""
        if isinstance(error, RowRefused):
            return condemned(self.to_letter(event, Rejected(REFUSED, str(error))))
        wanted = event.type, error.change if isinstance(error, StatementRefused) else ""
        has_neighbour = self._neighbour_shows(wanted, before, behind)
        try:
            return self.commit([event])
        except HELD_BACK as again:
            if not has_neighbour:
                raise
            reason = UNFORESEEN if isinstance(again, Unforeseen) else REFUSED
            return condemned_loudly(self.to_letter(event, Rejected(reason, str(again))))

    def _neighbour_shows(self, wanted: Shown, before: frozenset[Shown], behind: Sequence[Event[Any]]) -> bool:
        alike = [event for event in behind if event.type == wanted[0]]
        tried = alike[:: max(1, len(alike) // NEIGHBOURS)]
        return any(wanted in self._shown(event) for event in tried) or (len(alike) < NEIGHBOURS and wanted in before)

    def _shown(self, event: Event[Any]) -> frozenset[Shown]:
        try:
            return self.attempt([event]).shown
        except HELD_BACK:
            return frozenset()


def condemned_loudly(letter: Letter) -> Applied:
    """One message that became a letter for a reason that somebody should look into."""
    r = letter.record
    place = {"shard": r.shard, "sequence": r.sequence, "sub_sequence": r.sub_sequence}
    log.error("message condemned", type=letter.type, reason=letter.reason, error=letter.error, **place)
    return condemned(letter)
