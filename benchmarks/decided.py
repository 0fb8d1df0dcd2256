"""The whole workload decided beforehand, in memory: rows and changes of balances by chunk, ready to be written."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bank.holdings import Account, Loan
from bank.ledger import Ledger
from bank.needs import Spent
from benchmarks.workload import Workload, ledger, router
from pipeline.applying.domain import Decision, Domain, EventTable, MoreNeeded, Row
from pipeline.messages.records import Event
from pipeline.runtime.errors import Rejected

CHUNK = 500


@dataclass
class Chunk:
    """Rows by table, id and what was decided last; what accounts and loans gain; accounts that become inactive."""

    messages: int = 0
    rows: dict[EventTable, list[Row]] = field(default_factory=dict)
    accounts: dict[int, Decimal] = field(default_factory=dict)
    loans: dict[int, Decimal] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    def write(self, event: Event[Any], domain: Domain, decision: Decision) -> None:
        """Add the rows of one decision."""
        self.messages += 1
        for table, row in ((domain.table, domain.row(event.message, decision.status)), *decision.side_rows):
            found = decision.decided if table is domain.table else ()
            self.rows.setdefault(table, []).append((*row, event.identity, *found))

    def change(self, before: Account | Loan, after: Account | Loan) -> None:
        """Add what one decision does to one account or loan."""
        gains = self.accounts if isinstance(after, Account) else self.loans
        gains[after.id] = gains.get(after.id, Decimal(0)) + after.balance - before.balance
        if isinstance(after, Account) and before.active and not after.active:
            self.ended.add(after.id)


@dataclass
class Decided:
    """`shares`: the chunks of each writer, in order. `total`: what all balances gain."""

    shares: list[list[Chunk]]
    rows: int = 0
    total: Decimal = Decimal(0)


def decide(workload: Workload, writers: int) -> Decided:
    """Decide in the order of arrival; messages of one ordering key go to one writer, as in the service."""
    routes, state = router(), ledger(workload)
    decided = Decided([[Chunk()] for _ in range(writers)])
    for record in workload.records():
        event = routes.interpret(record)
        if not isinstance(event, Event):
            continue
        chunks = decided.shares[routes.key_of(record) % writers]
        if chunks[-1].messages == CHUNK:
            chunks.append(Chunk())
        try:
            _apply(routes.routes[event.type], event, state, chunks[-1])
        except Rejected:
            continue
    for chunk in (chunk for chunks in decided.shares for chunk in chunks):
        decided.rows += sum(map(len, chunk.rows.values()))
        decided.total += sum(chunk.accounts.values()) + sum(chunk.loans.values())
    return decided


def _apply(domain: Domain, event: Event[Any], state: Ledger, chunk: Chunk) -> None:
    try:
        decision = domain.decide(event, state)
    except MoreNeeded as more:  # the tables are empty: nothing was spent but what was decided here
        state.remember_windows({window: Spent(None, None) for window in more.needs.windows})
        decision = domain.decide(event, state)
    for effect in decision.effects:
        if isinstance(effect, Account):
            chunk.change(state.account(effect.id, ""), effect)
        elif isinstance(effect, Loan):
            chunk.change(state.loan(effect.id, ""), effect)
    state.apply(event, decision)
    chunk.write(event, domain, decision)
