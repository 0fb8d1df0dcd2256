"""What the command line is told of the bank: the engine knows none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # it loads the database's library
    from pipeline.applying.domain import Domain, StateStore


class Attempt(NamedTuple):
    """A statement of the service that finds no row: it shows that the user may do that. `rights`: what to GRANT.

    `operators`: only commands that change something need it, which may have a user of their own.
    """

    table: str
    rights: str
    sql: str
    parameters: tuple[object, ...] = ()
    operators: bool = False


class Books(NamedTuple):
    """Where balances are, and what moves them: what an audit holds against each other.

    `holder`: what has such a balance, in a word. `table`: where it is, with `id` and `balance`. `openings`: where an
    audit notes what it goes on from (`account`, `opening`, `marked_at`). `movements`: a written table → what its
    accepted rows moved, as a SELECT of account and amount over the rows with `{after}` < id <= `{through}`.
    """

    holder: str
    table: str
    openings: str
    movements: Mapping[str, str]


class Proof(NamedTuple):
    """What a row of `table` owes besides itself. `finding`: the name where it is missing; `told`: in words.

    `broken`: a SELECT of the ids of such rows, and of the account that each is about, with `{after}` < id <=
    `{through}`. `declared`: held against accounts alone that nobody but this service writes.
    """

    finding: str
    told: str
    table: str
    broken: str
    declared: bool = False


@dataclass(frozen=True)
class ServiceDescription:
    """`check_schema`: the revision of the schema behind a connection; raises `Fatal` where it does not fit.

    `unsent`: how many mails wait and are parked, as a connection tells. `sender`: the address that they come from.
    `scrubbed`: a table, and the columns in which it may keep nothing. `after_reading`: reasons of letters whose every
    field could be read. `kept_whole`: the message types whose letters keep every field that a row needs.
    """

    routes: Mapping[str, Domain]
    store: StateStore
    check_schema: Callable[[Any], str]
    attempts: tuple[Attempt, ...]
    unsent: Callable[[Any], Mapping[str, int]]
    sender: str
    scrubbed: tuple[str, tuple[str, ...]]
    after_reading: frozenset[str]
    kept_whole: frozenset[str]
    books: tuple[Books, ...]
    proofs: tuple[Proof, ...]

    @property
    def tables(self) -> list[str]:
        """The tables that end a message, by name."""
        return sorted({domain.table.name for domain in self.routes.values()})
