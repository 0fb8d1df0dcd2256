"""What the engine asks of a bank: the protocols that domains and the state store fulfil.

The engine knows no bank. A domain turns fields into a message, says what a decision needs to see, and decides, purely.
A state store loads that under locks, keeps the decisions of a chunk in memory, and writes what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from pipeline.messages.records import Event
from pipeline.messages.usual import KeyType, MessageType
from pipeline.mysql.database import Transaction
from pipeline.runtime.errors import PipelineError

Row = tuple[object, ...]
STATUS: Final = "status"


@dataclass(frozen=True, slots=True)
class EventTable:
    """A table that this service writes: `columns` as the domain fills them; `event_id` and `applied_at` come on top.

    Of `columns` a status is the last: what is before it does not depend on it, unless the domain needs nothing.
    `decided`: columns that a message does not say, so they hold what the decision found.
    The unique index on `event_id` is named `<name>_event_id` (migrations).
    """

    name: str
    columns: tuple[str, ...]
    decided: tuple[str, ...] = ()

    @property
    def written(self) -> tuple[str, ...]:
        """Every column of an INSERT, in its order: first what the message alone says, then what was decided."""
        said = [column for column in self.columns if column != STATUS]
        return (*said, "event_id", *self.columns[len(said) :], *self.decided, "applied_at")

    @property
    def event_key(self) -> str:
        return f"{self.name}_event_id"

    def find(self, columns: Iterable[str], count: int) -> str:
        """A SELECT of these columns of the rows of `count` events; without the index both servers read the table."""
        wanted, marks = ", ".join(f"`{column}`" for column in columns), ", ".join(["%s"] * count)
        return f"SELECT {wanted} FROM `{self.name}` FORCE INDEX (`{self.event_key}`) WHERE event_id IN ({marks})"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one message: its row's status, what it does to the state, and rows for other tables (an outbox).

    `decided`: the values of its table's `decided` columns.
    `effects` is the state's own business: the engine hands it to `State.apply` and never looks inside.
    """

    status: int
    effects: tuple[Any, ...] = ()
    side_rows: tuple[tuple[EventTable, Row], ...] = ()
    decided: Row = ()


class MoreNeeded(PipelineError):
    """Raised by `Domain.decide` where a decision needs what was not loaded. The chunk is loaded on and decided anew."""

    def __init__(self, needs: Any) -> None:
        super().__init__("more of the state is needed")
        self.needs = needs


class State(Protocol):
    """What was loaded under locks, with the decisions made so far in this chunk."""

    @property
    def locked_at(self) -> datetime | None:
        """The database's clock once everything was locked; None where the store has not looked at it."""

    def apply(self, event: Event[Any], decision: Decision) -> None:
        """Let later decisions of the chunk see this one."""

    def restart(self) -> None:
        """Forget every decision of this chunk, keep what was loaded."""


class StateStore(Protocol):
    """Loads and saves the state of one chunk inside its transaction."""

    def load(self, transaction: Transaction, needs: Iterable[Any]) -> State:
        """Lock and read, in the one global order: every balance a rule reads stays locked until the commit."""

    def extend(self, transaction: Transaction, state: Any, needs: Iterable[Any]) -> None:
        """Load what `MoreNeeded` asked for, without new locks."""

    def save(self, transaction: Transaction, state: Any) -> None:
        """Write what the decisions changed, in one set-based statement per table."""


class Domain(Protocol):
    """One message type."""

    type: str
    table: EventTable
    expected_status: int
    """The status that most messages get: what is before it in the row is made ready while nothing is locked."""
    usual_message: MessageType
    """The message as it is mostly written, decoded in one go: says what `parse` says, or raises a doubt."""
    usual_key: KeyType
    """The same of `ordering_key`."""

    def parse(self, fields: Mapping[str, object]) -> Any:
        """The message that `fields` (decoded JSON, floats as Decimal) says. Raises `Rejected`."""

    def ordering_key(self, fields: Mapping[str, object]) -> bytes | None:
        """What keeps its order: messages of one key and one shard apply as they were put. None: unreadable."""

    def payload(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields that a dead letter may keep: allow-listed, of a valid type, secrets left out, card numbers cut."""

    def needs(self, event: Event[Any]) -> Any:
        """What a decision on this event has to see, as far as the event alone tells.

        None: nothing, whatever the event; then it is decided without a state and written before anything is locked.
        """

    def row(self, message: Any, status: int) -> Row:
        """The row of a message with that status, in the order of `table.columns`."""

    def said(self, message: Any, status: int) -> str:
        """What that row holds up to the status, as SQL: as `literals` would write it, but made at once."""

    def decide(self, event: Event[Any], state: Any) -> Decision:
        """The rules, in DOMAIN.md's order. Pure. Raises `Rejected` for a dead letter, `MoreNeeded` for more state.

        `state`: None where nothing is needed.
        """
